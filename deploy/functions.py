"""Lambda: functions, and the streams whose records they are invoked with."""

import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import OWNED, Account, is_missing
from deploy.errors import DeployError
from deploy.package import PYTHON, Artifact, Package
from deploy.plan import Fields
from deploy.settings import Function, render

RUNTIME = f"python{PYTHON}"
ARCHITECTURES = ["arm64"]
CONFIGURATION = ("Handler", "Runtime", "Role", "MemorySize", "Timeout", "Environment", "Description")
TRIGGER_POLL_SECONDS = 1
ENABLED = {"Creating", "Enabling", "Enabled", "Updating"}  # states of a trigger
BY_HAND: Fields = {  # of a trigger, the fields that the settings do not have, with AWS's defaults
    "FilterCriteria": {},
    "MaximumRecordAgeInSeconds": -1,
    "ParallelizationFactor": 1,
    "TumblingWindowInSeconds": 0,
}


@dataclass(frozen=True)
class LambdaFunction:
    """A function; ``configuration`` None: the settings do not have it any more."""

    name: str
    configuration: Fields | None
    code: Artifact
    account: Account

    @property
    def title(self) -> str:
        return f"function {self.name}"

    @property
    def desired(self) -> Fields | None:
        return self.configuration and {
            **self.configuration,
            "Architectures": ARCHITECTURES,
            "CodeSha256": self.code.code_sha256,
            "Tags": self.account.tags,
        }

    def actual(self) -> Fields | None:
        """Read its configuration, a concurrency that was reserved by hand, and those of its tags that are ours."""
        try:
            function = self._client.get_function(FunctionName=self.name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        configuration = function["Configuration"]
        fields = [*CONFIGURATION, "Architectures", "CodeSha256"]
        return {
            **{name: configuration[name] for name in fields if configuration.get(name)},
            **function.get("Concurrency", {}),
            "Tags": self.account.own(function.get("Tags", {})),
        }

    def create(self) -> None:
        self._client.create_function(
            FunctionName=self.name,
            Architectures=ARCHITECTURES,
            Code={"S3Bucket": self.account.bucket("code"), "S3Key": self.code.key},
            Tags=self.account.tags,
            **(self.configuration or {}),
        )
        self._client.get_waiter("function_active_v2").wait(FunctionName=self.name)

    def update(self) -> None:
        """Update the configuration, then the code: Lambda takes one at a time, and what was killed may be under way."""
        is_updated = self._client.get_waiter("function_updated_v2")
        is_updated.wait(FunctionName=self.name)
        self._client.update_function_configuration(FunctionName=self.name, **(self.configuration or {}))
        is_updated.wait(FunctionName=self.name)
        self._client.update_function_code(
            FunctionName=self.name,
            Architectures=ARCHITECTURES,
            S3Bucket=self.account.bucket("code"),
            S3Key=self.code.key,
        )
        is_updated.wait(FunctionName=self.name)
        self._client.delete_function_concurrency(FunctionName=self.name)
        self._client.tag_resource(Resource=self.account.arn("lambda", f"function:{self.name}"), Tags=self.account.tags)

    def delete(self) -> None:
        self._client.delete_function(FunctionName=self.name)

    @property
    def _client(self) -> Any:
        return self.account.client("lambda")


@dataclass(frozen=True)
class Trigger:
    """An event source mapping; ``definition`` None: the settings do not have it any more."""

    function: str
    stream_arn: str
    definition: Fields | None
    client: Any

    @property
    def title(self) -> str:
        return f"trigger {self.stream_arn.rpartition('/')[2]} -> {self.function}"

    @property
    def desired(self) -> Fields | None:
        return self.definition

    def actual(self) -> Fields | None:
        """Read the fields that can be updated; one that is being deleted does not exist any more."""
        mapping = self._mapping()
        if mapping is None or mapping["State"] == "Deleting":
            return None
        return {
            **{name: mapping[name] for name in self.definition or () if name in mapping},
            **{name: mapping[name] for name in BY_HAND if mapping.get(name, BY_HAND[name]) != BY_HAND[name]},
            "Enabled": mapping["State"] in ENABLED,
        }

    def create(self) -> None:
        """Create it to begin with the oldest record that the stream keeps, once a former one is gone."""
        while self._mapping():
            time.sleep(TRIGGER_POLL_SECONDS)
        self.client.create_event_source_mapping(
            FunctionName=self.function,
            EventSourceArn=self.stream_arn,
            StartingPosition="TRIM_HORIZON",
            **(self.definition or {}),
        )

    def update(self) -> None:
        self.client.update_event_source_mapping(UUID=self._uuid(), **BY_HAND, **(self.definition or {}))

    def delete(self) -> None:
        self.client.delete_event_source_mapping(UUID=self._uuid())

    def _uuid(self) -> str:
        mapping = self._mapping()
        if mapping is None:
            raise DeployError(f"{self.title} was deleted meanwhile; apply again")
        uuid: str = mapping["UUID"]
        return uuid

    def _mapping(self) -> dict[str, Any] | None:
        return next((m for m in _mappings(self.client, self.function) if m["EventSourceArn"] == self.stream_arn), None)


def resources(account: Account, package: Package) -> list[LambdaFunction]:
    """List the functions of the settings, and deployed ones that the settings do not have any more."""
    functions = account.settings.functions
    return [
        *[
            LambdaFunction(name, configuration(name, function, account), package.of_function(name), account)
            for name, function in functions.items()
        ],
        *[
            LambdaFunction(name, None, package.of_function(name), account)
            for name in deployed(account)
            if name not in functions
        ],
    ]


def deployed(account: Account) -> dict[str, str | None]:
    """Return the functions that have our tags, and the stage that each was deployed for."""
    client = account.client("lambda")
    pages = client.get_paginator("list_functions").paginate()
    functions = [function for page in pages for function in page["Functions"]]
    tags = {f["FunctionName"]: client.list_tags(Resource=f["FunctionArn"])["Tags"] for f in functions}
    return {name: own.get("stage") for name, own in tags.items() if OWNED.items() <= own.items()}


def configuration(name: str, function: Function, account: Account) -> Fields:
    """Return a function's configuration as CreateFunction takes it."""
    environment = {key: render(text, account.names) for key, text in function.environment.items()}
    return {
        "Description": function.handler.rpartition(".")[0].replace(".", "/") + ".py",
        "Handler": function.handler,
        "Runtime": RUNTIME,
        "Role": account.role(f"function-{name}"),
        "MemorySize": function.memory_mb,
        "Timeout": function.timeout_seconds,
        "Environment": {"Variables": environment},
    }


def triggers(account: Account) -> list[Trigger]:
    """List the triggers of the settings, and deployed ones that the settings do not have any more."""
    client = account.client("lambda")
    desired = {
        (name, account.arn("kinesis", f"stream/{stream}")): trigger(name, function, account)
        for name, function in account.settings.functions.items()
        for stream in account.settings.sources(name)
    }
    actual = {(name, mapping["EventSourceArn"]) for name in deployed(account) for mapping in _mappings(client, name)}
    return [
        Trigger(name, stream_arn, desired.get((name, stream_arn)), client)
        for name, stream_arn in [*desired, *sorted(actual - desired.keys())]
    ]


def trigger(name: str, function: Function, account: Account) -> Fields:
    """Return the fields of a trigger: failed records are retried apart from others, then sent to the DLQ."""
    return {
        "Enabled": True,
        "BatchSize": function.batch_size,
        "MaximumBatchingWindowInSeconds": function.batch_seconds,
        "MaximumRetryAttempts": 5,
        "BisectBatchOnFunctionError": True,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": account.arn("sqs", f"{name}-dlq")}},
    }


def _mappings(client: Any, function: str) -> list[dict[str, Any]]:
    try:
        mappings: list[dict[str, Any]] = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    except ClientError as error:
        if is_missing(error):
            return []
        raise
    return mappings
