"""EventBridge Scheduler: what starts jobs, the state machines and, where the stage simulates, the simulation."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import job_arguments
from deploy.account import Account, is_missing
from deploy.plan import Fields
from deploy.settings import Settings
from deploy.state_machine import StateMachine
from simulator import FORMATS

GROUP = "clickstream"
START_JOB = "arn:aws:scheduler:::aws-sdk:glue:startJobRun"
SIMULATION = "rate(5 minutes)"
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
    machines = {"clickstream": account.settings.pipeline.schedule, "nightly": account.settings.nightly.schedule}
    for name, expression in machines.items():
        if expression:
            definitions[name] = definition(account, expression, StateMachine(name, account).arn, {})
    for name in simulated(account.settings):
        function = account.arn("lambda", "function:simulate")
        definitions[f"simulate_{name}"] = definition(account, SIMULATION, function, {"format": name})
    return [
        *[Schedule(name, desired, client) for name, desired in definitions.items()],
        *[Schedule(name, None, client) for name in deployed(account) if name not in definitions],
    ]


def simulated(settings: Settings) -> list[str]:
    """List the formats with a schedule: all but visits, which their pipeline simulates, and clicks of no reader."""
    if not settings.pipeline.simulates:
        return []
    source = {**job_arguments.defaults("sessions_stream"), **settings.jobs["sessions_stream"].arguments}["source"]
    return [
        name
        for name, simulated_format in FORMATS.items()
        if simulated_format.stream != "clickstream" and (simulated_format.stream != "clicks" or name == source)
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
