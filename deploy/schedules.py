"""EventBridge Scheduler: what starts jobs and the state machine."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import state_machine
from deploy.account import Account, is_missing
from deploy.plan import Fields

GROUP = "clickstream"
START_JOB = "arn:aws:scheduler:::aws-sdk:glue:startJobRun"
DEAD_LETTER_QUEUE = "schedules-dlq"
FIELDS = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target", "State")


@dataclass(frozen=True)
class Schedule:
    """A schedule; ``definition`` None: the settings do not have it any more."""

    name: str
    definition: Fields | None
    client: Any

    @property
    def title(self) -> str:
        return f"schedule {self.name}"

    @property
    def desired(self) -> Fields | None:
        return self.definition

    def actual(self) -> Fields | None:
        try:
            schedule = self.client.get_schedule(Name=self.name, GroupName=GROUP)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return {name: schedule[name] for name in FIELDS if name in schedule}

    def create(self) -> None:
        self.client.create_schedule(Name=self.name, GroupName=GROUP, **(self.definition or {}))

    def update(self) -> None:
        self.client.update_schedule(Name=self.name, GroupName=GROUP, **(self.definition or {}))

    def delete(self) -> None:
        self.client.delete_schedule(Name=self.name, GroupName=GROUP)


def resources(account: Account) -> list[Schedule]:
    """List the schedules of the settings, and deployed ones that the settings do not have any more."""
    client = account.client("scheduler")
    definitions = {
        name: definition(account, job.schedule, START_JOB, {"JobName": name})
        for name, job in account.settings.jobs.items()
        if job.schedule
    }
    if expression := account.settings.pipeline.schedule:
        definitions[state_machine.NAME] = definition(account, expression, state_machine.StateMachine(account).arn, {})
    return [
        *[Schedule(name, desired, client) for name, desired in definitions.items()],
        *[Schedule(name, None, client) for name in deployed(account) if name not in definitions],
    ]


def deployed(account: Account) -> list[str]:
    """List the schedules of our group."""
    pages = account.client("scheduler").get_paginator("list_schedules").paginate(GroupName=GROUP)
    return [schedule["Name"] for page in pages for schedule in page["Schedules"]]


def definition(account: Account, expression: str, target: str, payload: dict[str, str]) -> Fields:
    """Return a schedule's definition; a start that fails for an hour goes to the dead-letter queue."""
    return {
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": target,
            "RoleArn": account.role("scheduler"),
            "Input": json.dumps(payload),
            "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10},
            "DeadLetterConfig": {"Arn": account.arn("sqs", DEAD_LETTER_QUEUE)},
        },
    }
