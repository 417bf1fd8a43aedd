"""Step Functions: the state machines of ``state_machines/``, each with a schedule in the settings."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import Account, is_missing
from deploy.plan import Fields
from deploy.settings import render

FOLDER = Path(__file__).with_name("state_machines")
SUFFIX = ".asl.json"


@dataclass(frozen=True)
class StateMachine:
    """A state machine; ``is_desired`` False: it has to go."""

    name: str
    account: Account
    is_desired: bool = True

    @property
    def title(self) -> str:
        return f"state machine {self.name}"

    @property
    def arn(self) -> str:
        return self.account.arn("states", f"stateMachine:{self.name}")

    @property
    def desired(self) -> Fields | None:
        if not self.is_desired:
            return None
        fields = self._fields()
        return {**fields, "definition": json.loads(fields["definition"]), "tags": self.account.tags}

    def actual(self) -> Fields | None:
        try:
            machine = self._client.describe_state_machine(stateMachineArn=self.arn)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        tags = self._client.list_tags_for_resource(resourceArn=self.arn)["tags"]
        return {
            "definition": json.loads(machine["definition"]),
            "roleArn": machine["roleArn"],
            "loggingConfiguration": machine.get("loggingConfiguration", {}),
            "tags": self.account.own({tag["key"]: tag["value"] for tag in tags}),
        }

    def create(self) -> None:
        self._client.create_state_machine(name=self.name, tags=self._tags(), **self._fields())

    def update(self) -> None:
        """Update the definition; executions under way keep theirs."""
        self._client.update_state_machine(stateMachineArn=self.arn, **self._fields())
        self._client.tag_resource(resourceArn=self.arn, tags=self._tags())

    def delete(self) -> None:
        self._client.delete_state_machine(stateMachineArn=self.arn)

    def executions(self) -> list[dict[str, Any]]:
        """Return the last executions, newest first."""
        try:
            answer = self._client.list_executions(stateMachineArn=self.arn, maxResults=10)
        except ClientError as error:
            if is_missing(error):
                return []
            raise
        executions: list[dict[str, Any]] = answer["executions"]
        return executions

    def _fields(self) -> dict[str, Any]:
        return {
            "definition": definition(self.account, self.name),
            "roleArn": self.account.role("pipeline"),
            "loggingConfiguration": _logging(self.account, self.name),
        }

    def _tags(self) -> list[dict[str, str]]:
        return [{"key": key, "value": value} for key, value in self.account.tags.items()]

    @property
    def _client(self) -> Any:
        return self.account.client("stepfunctions")


def names() -> list[str]:
    """List the state machines."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def definition(account: Account, name: str) -> str:
    """Render the definition for a stage."""
    pipeline = account.settings.pipeline
    own = {"machine": name, "wait_minutes": str(pipeline.wait_minutes), "simulates": str(pipeline.simulates).lower()}
    return render((FOLDER / f"{name}{SUFFIX}").read_text(), {**account.names, **own})


def _logging(account: Account, name: str) -> Fields:
    log_group = account.arn("logs", f"log-group:/aws/vendedlogs/states/{name}:*")
    return {
        "level": "ERROR",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": log_group}}],
    }
