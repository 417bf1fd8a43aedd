"""Step Functions: the state machine of ``state_machine.asl.json``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import Account, is_missing
from deploy.plan import Fields
from deploy.settings import render

DEFINITION = Path(__file__).with_name("state_machine.asl.json")
NAME = "clickstream"
LOG_GROUP = "log-group:/aws/vendedlogs/states/clickstream:*"


@dataclass(frozen=True)
class StateMachine:
    """The state machine; ``is_desired`` False: it has to go."""

    account: Account
    is_desired: bool = True

    @property
    def title(self) -> str:
        return f"state machine {NAME}"

    @property
    def arn(self) -> str:
        return self.account.arn("states", f"stateMachine:{NAME}")

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
            "tags": {tag["key"]: tag["value"] for tag in tags if tag["key"] in self.account.tags},
        }

    def create(self) -> None:
        self._client.create_state_machine(name=NAME, tags=self._tags(), **self._fields())

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
            "definition": definition(self.account),
            "roleArn": self.account.role("pipeline"),
            "loggingConfiguration": _logging(self.account),
        }

    def _tags(self) -> list[dict[str, str]]:
        return [{"key": key, "value": value} for key, value in self.account.tags.items()]

    @property
    def _client(self) -> Any:
        return self.account.client("stepfunctions")


def definition(account: Account) -> str:
    """Render the definition for a stage."""
    wait = account.settings.pipeline.wait_minutes
    return render(DEFINITION.read_text(), {**account.names, "wait_minutes": str(wait)})


def _logging(account: Account) -> Fields:
    return {
        "level": "ERROR",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": account.arn("logs", LOG_GROUP)}}],
    }
