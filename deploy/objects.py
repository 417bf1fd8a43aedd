"""S3: the package's files."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import is_missing
from deploy.package import Artifact
from deploy.plan import Fields


@dataclass(frozen=True)
class Object:
    """A file of the package. It is never deleted: a rollback to an older commit needs it."""

    artifact: Artifact
    bucket: str
    s3: Any

    @property
    def title(self) -> str:
        return f"file {self.artifact.name}"

    @property
    def desired(self) -> Fields:
        """Its key, which holds its hash."""
        return {"Key": self.artifact.key}

    def actual(self) -> Fields | None:
        try:
            self.s3.head_object(Bucket=self.bucket, Key=self.artifact.key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return self.desired

    def create(self) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=self.artifact.key, Body=self.artifact.content)

    update = create

    def delete(self) -> None:
        """Do nothing: the bucket is terraform's."""
