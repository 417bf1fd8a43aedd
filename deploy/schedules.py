"""EventBridge Scheduler: what starts jobs and the state machine."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from deploy import state_machine
from deploy.account import Account, is_missing
from deploy.plan import Fields

GROUP = "clickstream"
START_JOB = "arn:aws:scheduler:::aws-sdk:glue:startJobRun"
FIELDS = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target", "State")


@dataclass(frozen=True)
class Schedule:
    """A schedule; ``definition`` None: it is not in the settings any more."""

    name: str
    definition: Fields | None
    client: Any

    @property
    def title(self) -> str:
        """Its kind and name."""
        return f"schedule {self.name}"

    @property
    def wanted(self) -> Fields | None:
        """Its definition."""
        return self.definition

    def found(self) -> Fields | None:
        """Read its definition."""
        try:
            found = self.client.get_schedule(Name=self.name, GroupName=GROUP)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return {name: found[name] for name in FIELDS if name in found}

    def create(self) -> None:
        """Make it."""
        self.client.create_schedule(Name=self.name, GroupName=GROUP, **(self.definition or {}))

    def update(self) -> None:
        """Give it a new definition."""
        self.client.update_schedule(Name=self.name, GroupName=GROUP, **(self.definition or {}))

    def delete(self) -> None:
        """Take it away."""
        self.client.delete_schedule(Name=self.name, GroupName=GROUP)


def wanted(account: Account) -> list[Schedule]:
    """Give every schedule of the settings, and those of ours that are in no settings any more."""
    client = account.client("scheduler")
    machine = state_machine.StateMachine(account)
    asked = {
        name: (job.schedule, START_JOB, {"JobName": name})
        for name, job in account.settings.jobs.items()
        if job.schedule
    }
    asked |= {
        name: (pipeline.schedule, machine.arn, {})
        for name, pipeline in account.settings.pipeline.items()
        if pipeline.schedule
    }
    return [
        *[Schedule(name, _definition(account, *what), client) for name, what in asked.items()],
        *[Schedule(name, None, client) for name in deployed(account) if name not in asked],
    ]


def deployed(account: Account) -> list[str]:
    """List our schedules."""
    pages = account.client("scheduler").get_paginator("list_schedules").paginate(GroupName=GROUP)
    return [schedule["Name"] for page in pages for schedule in page["Schedules"]]


def _definition(account: Account, expression: str, target: str, sent: dict[str, str]) -> Fields:
    return {
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": target,
            "RoleArn": account.role("scheduler"),
            "Input": json.dumps(sent),
            "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10},
            "DeadLetterConfig": {"Arn": account.arn("sqs", "undelivered-schedules")},
        },
    }
