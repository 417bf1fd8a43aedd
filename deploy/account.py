"""An AWS account as a stage knows it: its clients, and what is called how in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from deploy.errors import MissingError
from deploy.settings import Settings

TAGS = {"project": "clickstream", "owner": "python -m deploy"}  # what has them, and is in no settings, goes
DATABASE = "clickstream"


@dataclass(frozen=True)
class Account:
    """A stage's account."""

    settings: Settings
    number: str
    endpoint_url: str | None = None

    @classmethod
    def of(cls, settings: Settings, endpoint_url: str | None = None) -> Self:
        """Ask AWS whose credentials these are."""
        identity = cls(settings, "", endpoint_url).client("sts").get_caller_identity()
        return cls(settings, identity["Account"], endpoint_url)

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        return client(service, self.settings.region, self.endpoint_url)

    def bucket(self, name: str) -> str:
        """Return the name of a bucket in the world."""
        return f"clickstream-{self.settings.stage}-{name}-{self.number}"

    def role(self, name: str) -> str:
        """Return the ARN of a role that terraform makes."""
        return f"arn:aws:iam::{self.number}:role/clickstream-{self.settings.stage}-{name}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of what has no place elsewhere."""
        return f"arn:aws:{service}:{self.settings.region}:{self.number}:{resource}"

    @property
    def names(self) -> Mapping[str, str]:
        """What stands for what in the settings and in the state machine."""
        buckets = {name: self.bucket(name) for name in self.settings.buckets}
        return {**buckets, "region": self.settings.region, "account": self.number}

    def check(self) -> None:
        """Raise ``MissingError`` where terraform has not been applied."""
        roles = [f"job-{name}" for name in self.settings.jobs] + [f"function-{n}" for n in self.settings.functions]
        for role in [*roles, "pipeline", "scheduler"]:
            name = self.role(role).rpartition("/")[2]
            try:
                self.client("iam").get_role(RoleName=name)
            except ClientError as error:
                if not is_missing(error):
                    raise
                raise MissingError(
                    f"the role {name} is not there: `make infrastructure STAGE={self.settings.stage}` comes first"
                ) from error


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that it does not know the thing."""
    code = error.response["Error"]["Code"]
    return code in {
        "404", "EntityNotFoundException", "NoSuchEntity", "ResourceNotFoundException", "StateMachineDoesNotExist"
    }  # fmt: skip


@cache
def client(service: str, region: str, endpoint_url: str | None) -> Any:
    """Make a client once."""
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    return boto3.Session(region_name=region).client(service, endpoint_url=endpoint_url, config=config)
