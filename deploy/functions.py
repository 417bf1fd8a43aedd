"""Lambda: functions, and the streams whose records they are invoked with."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import TAGS, Account, is_missing
from deploy.package import Artifact, Package
from deploy.plan import Fields
from deploy.settings import Function, render

RUNTIME = "python3.13"
CONFIGURATION = ("Handler", "Runtime", "Role", "MemorySize", "Timeout", "Environment", "Description")


@dataclass(frozen=True)
class LambdaFunction:
    """A function; ``configuration`` None: the settings do not have it any more."""

    name: str
    configuration: Fields | None
    code: Artifact
    bucket: str
    client: Any

    @property
    def title(self) -> str:
        return f"function {self.name}"

    @property
    def desired(self) -> Fields | None:
        return self.configuration and {**self.configuration, "CodeSha256": self.code.code_sha256}

    def actual(self) -> Fields | None:
        try:
            function = self.client.get_function(FunctionName=self.name)["Configuration"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return {name: function[name] for name in [*CONFIGURATION, "CodeSha256"] if function.get(name)}

    def create(self) -> None:
        self.client.create_function(
            FunctionName=self.name,
            Architectures=["arm64"],
            Code={"S3Bucket": self.bucket, "S3Key": self.code.key},
            Tags=TAGS,
            **(self.configuration or {}),
        )
        self.client.get_waiter("function_active_v2").wait(FunctionName=self.name)

    def update(self) -> None:
        """Update the configuration, then the code: Lambda takes one at a time."""
        self.client.update_function_configuration(FunctionName=self.name, **(self.configuration or {}))
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name)
        self.client.update_function_code(FunctionName=self.name, S3Bucket=self.bucket, S3Key=self.code.key)
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name)

    def delete(self) -> None:
        self.client.delete_function(FunctionName=self.name)


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
        """Read the fields that can be updated."""
        mapping = self._mapping()
        if mapping is None:
            return None
        return {name: mapping[name] for name in self.definition or () if name in mapping}

    def create(self) -> None:
        """Create it to begin with the oldest record that the stream keeps."""
        self.client.create_event_source_mapping(
            FunctionName=self.function,
            EventSourceArn=self.stream_arn,
            StartingPosition="TRIM_HORIZON",
            **(self.definition or {}),
        )

    def update(self) -> None:
        mapping = self._mapping() or {}
        self.client.update_event_source_mapping(UUID=mapping["UUID"], **(self.definition or {}))

    def delete(self) -> None:
        mapping = self._mapping() or {}
        self.client.delete_event_source_mapping(UUID=mapping["UUID"])

    def _mapping(self) -> dict[str, Any] | None:
        mappings: list[dict[str, Any]] = self.client.list_event_source_mappings(
            FunctionName=self.function, EventSourceArn=self.stream_arn
        )["EventSourceMappings"]
        return mappings[0] if mappings else None


def resources(account: Account, package: Package) -> list[LambdaFunction]:
    """List the functions of the settings, and deployed ones that the settings do not have any more."""
    client, bucket, functions = account.client("lambda"), account.bucket("code"), account.settings.functions
    return [
        *[
            LambdaFunction(name, configuration(name, function, account), package.functions, bucket, client)
            for name, function in functions.items()
        ],
        *[
            LambdaFunction(name, None, package.functions, bucket, client)
            for name in deployed(account)
            if name not in functions
        ],
    ]


def deployed(account: Account) -> list[str]:
    """List the functions that have our tags."""
    client = account.client("lambda")
    pages = client.get_paginator("list_functions").paginate()
    functions = [function for page in pages for function in page["Functions"]]
    return [
        function["FunctionName"]
        for function in functions
        if TAGS.items() <= client.list_tags(Resource=function["FunctionArn"])["Tags"].items()
    ]


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
        **({"Environment": {"Variables": environment}} if environment else {}),
    }


def triggers(account: Account) -> list[Trigger]:
    """List the triggers of the settings, and deployed ones that the settings do not have any more."""
    client = account.client("lambda")
    desired = {
        (name, account.arn("kinesis", f"stream/{stream}")): trigger(name, function, account)
        for name, function in account.settings.functions.items()
        for stream in account.settings.sources(name)
    }
    actual = {
        (name, mapping["EventSourceArn"])
        for name in deployed(account)
        for mapping in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    }
    return [
        Trigger(name, stream_arn, desired.get((name, stream_arn)), client)
        for name, stream_arn in [*desired, *sorted(actual - desired.keys())]
    ]


def trigger(name: str, function: Function, account: Account) -> Fields:
    """Return the fields of a trigger: failed records are retried apart from others, then sent to the DLQ."""
    return {
        "BatchSize": function.batch_size,
        "MaximumBatchingWindowInSeconds": function.batch_seconds,
        "MaximumRetryAttempts": 5,
        "BisectBatchOnFunctionError": True,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": account.arn("sqs", f"{name}-dlq")}},
    }
