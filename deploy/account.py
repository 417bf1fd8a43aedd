"""An AWS account as a stage has it: clients, and the names of what is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.errors import MissingError
from deploy.settings import Settings

OWNED = {
    "project": "clickstream",
    "owner": "python -m deploy",
}  # what has these tags but is not in the settings is deleted
DATABASE = "clickstream"


@dataclass(frozen=True)
class Account:
    """A stage's account."""

    settings: Settings
    number: str
    endpoint_url: str | None = None

    @classmethod
    def of(cls, settings: Settings, endpoint_url: str | None = None) -> Self:
        """Return the account of the credentials in use."""
        identity = cls(settings, "", endpoint_url).client("sts").get_caller_identity()
        return cls(settings, identity["Account"], endpoint_url)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of what deploy creates; an account may have others beside them."""
        return {**OWNED, "stage": self.settings.stage}

    def own(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Choose those of a resource's tags that are ours, whatever their values."""
        return {key: value for key, value in tags.items() if key in self.tags}

    def client(self, service: str) -> Any:
        return client(service, self.settings.region, self.endpoint_url)

    def bucket(self, name: str) -> str:
        """Return a bucket's name, which is the only one in the world."""
        return f"clickstream-{self.settings.stage}-{name}-{self.number}"

    def role(self, name: str) -> str:
        """Return the ARN of a role that terraform creates."""
        return f"arn:aws:iam::{self.number}:role/clickstream-{self.settings.stage}-{name}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.settings.region}:{self.number}:{resource}"

    @property
    def names(self) -> Mapping[str, str]:
        """What ``${name}`` stands for in the settings and in the state machines."""
        return {
            **{name: self.bucket(name) for name in self.settings.buckets},
            **{f"{name}_ttl_days": str(table.ttl_days) for name, table in self.settings.dynamodb.items()},
            "region": self.settings.region,
            "account": self.number,
        }

    def check(self) -> None:
        """Raise ``MissingError`` where terraform has not been applied."""
        roles = [f"job-{name}" for name in self.settings.jobs] + [f"function-{n}" for n in self.settings.functions]
        for role in [*roles, "pipeline", "scheduler", "table-optimizer"]:
            name = self.role(role).rpartition("/")[2]
            try:
                self.client("iam").get_role(RoleName=name)
            except ClientError as error:
                if not is_missing(error):
                    raise
                raise MissingError(
                    f"the role {name} does not exist: run `make infrastructure STAGE={self.settings.stage}` first"
                ) from error


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that something does not exist."""
    code = error.response["Error"]["Code"]
    return code in {
        "404", "EntityNotFoundException", "NoSuchEntity", "ResourceNotFoundException", "StateMachineDoesNotExist"
    }  # fmt: skip


@cache
def client(service: str, region: str, endpoint_url: str | None) -> Any:
    """Return a client, the same for the same arguments."""
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    make: Any = boto3.Session(region_name=region).client  # typed by the service's literal name
    return make(service, endpoint_url=endpoint_url, config=config)
