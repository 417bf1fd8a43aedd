"""S3: the package's files."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from deploy.account import is_missing
from deploy.package import Artifact
from deploy.plan import Fields


@dataclass(frozen=True)
class Object:
    """A file of the package. It is never taken away: an older commit may want it back."""

    artifact: Artifact
    bucket: str
    s3: Any

    @property
    def title(self) -> str:
        """What it is."""
        return f"file {self.artifact.name}"

    @property
    def wanted(self) -> Fields:
        """Its key, which holds its hash."""
        return {"Key": self.artifact.key}

    def found(self) -> Fields | None:
        """Look for it."""
        try:
            self.s3.head_object(Bucket=self.bucket, Key=self.artifact.key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return self.wanted

    def create(self) -> None:
        """Upload it."""
        self.s3.put_object(Bucket=self.bucket, Key=self.artifact.key, Body=self.artifact.content)

    update = create

    def delete(self) -> None:
        """Leave it: the bucket is terraform's."""
