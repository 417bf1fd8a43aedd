"""Bring what changes with every commit into an AWS account: code, jobs, functions, tables, the state machine."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from deploy import functions, jobs, logs, objects, package, plan, schedules, tables
from deploy.account import Account
from deploy.errors import DeployError
from deploy.settings import Settings, stages
from deploy.state_machine import StateMachine

SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
ENDED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}
POLL_SECONDS = 5


class Commands(click.Group):
    """Commands whose errors are sentences."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except DeployError as error:
            raise click.ClickException(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(f"AWS: {error}") from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--stage", envvar="STAGE", default="dev", show_default=True, type=click.Choice(stages()))
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", metavar="URL", help="another AWS, such as the local one")
@click.pass_context
def main(context: click.Context, stage: str, endpoint_url: str | None) -> None:
    """Bring code, jobs, functions, tables and the state machine into an AWS account, and look after them.

    What holds data, permissions or money is terraform's: `make infrastructure STAGE=...` comes first.
    An older commit is rolled back to by applying it.
    """
    context.obj = Account.of(Settings.read(stage), endpoint_url)


@main.command(name="plan")
@click.pass_obj
def show_plan(account: Account) -> None:
    """Show what apply would change, field by field; change nothing."""
    account.check()
    changes = [change for change in map(plan.change, resources(account)) if change]
    for change in changes:
        say(change)
        for difference in change.differences:
            click.echo(f"    {difference}")
    click.echo(f"{len(changes)} to change." if changes else "Nothing to change.")


@main.command()
@click.pass_obj
def apply(account: Account) -> None:
    """Make the account as the working tree and the settings say; again after a failure, it goes on from there."""
    account.check()
    changed = carry_out(map(plan.change, resources(account)))
    click.echo(f"{changed} changed." if changed else "Nothing to change.")


@main.command()
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_obj
def destroy(account: Account, *, yes: bool) -> None:
    """Take away all that apply made, but for tables and files: what holds data is terraform's."""
    if not yes:
        click.confirm(f"Take everything of {account.settings.stage} out of the account {account.number}?", abort=True)
    changed = carry_out(map(plan.change, leftovers(account)))
    click.echo(f"{changed} taken away." if changed else "Nothing was there.")


@main.command()
@click.pass_obj
def status(account: Account) -> None:
    """Show the last run of every job and of the state machine."""
    for name in account.settings.jobs:
        runs = jobs.runs(account, name)
        line(f"job {name}", runs and runs[0]["JobRunState"], runs and runs[0]["StartedOn"])
        if runs and runs[0].get("ErrorMessage"):
            click.echo(f"    {runs[0]['ErrorMessage']}")
    executions = StateMachine(account).executions()
    line("state machine", executions and executions[0]["status"], executions and executions[0]["startDate"])
    deployed = functions.deployed(account)
    for name in account.settings.functions:
        line(f"function {name}", "deployed" if name in deployed else "", None)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("job")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--NAME VALUE]...")
@click.option("--wait", is_flag=True, help="until it has ended; the status is 1 unless it succeeded")
@click.pass_obj
def run(account: Account, job: str, arguments: tuple[str, ...], *, wait: bool) -> None:
    """Start a run of a job, with arguments that go before those of the settings."""
    settings = known_job(account, job)
    names, values = arguments[::2], arguments[1::2]
    wrong = [name for name in names if name.removeprefix("--") not in settings.arguments or not name.startswith("--")]
    if wrong or len(names) != len(values):
        takes = ", ".join(f"--{name}" for name in settings.arguments)
        raise DeployError(f"{wrong[0] if wrong else names[-1]}: the job takes {takes}, each with a value")
    run_id = jobs.start(account, job, dict(zip(names, values, strict=True)))
    click.echo(f"{job}: {run_id}")
    while wait:
        state = jobs.run(account, job, run_id)
        if state["JobRunState"] in ENDED:
            click.echo(f"{state['JobRunState']} {state.get('ErrorMessage', '')}".strip())
            sys.exit(state["JobRunState"] != "SUCCEEDED")
        time.sleep(POLL_SECONDS)


@main.command(name="logs")
@click.argument("name", metavar="JOB|FUNCTION")
@click.option("--run", "run_id", help="of a job; otherwise its last one")
@click.pass_obj
def show_logs(account: Account, name: str, run_id: str | None) -> None:
    """Show what a job's run, or a function within the last hour, has written."""
    if name in account.settings.functions:
        lines = logs.of_function(account, name)
    else:
        known_job(account, name)
        runs = jobs.runs(account, name)
        if not run_id and not runs:
            raise DeployError(f"{name} has not run yet")
        lines = logs.of_run(account, run_id or runs[0]["Id"])
    for text in lines:
        click.echo(text)


def resources(account: Account) -> list[plan.Resource]:
    """Give everything in the order in which it can be made, then what has to go in the order in which it can."""
    packed = package.build()
    s3, code = account.client("s3"), account.bucket("code")
    everything: list[plan.Resource] = [
        *[objects.Object(artifact, code, s3) for artifact in packed.artifacts],
        *tables.wanted(account),
        *functions.wanted(account, packed),
        *functions.triggers(account),
        *jobs.wanted(account, packed),
        StateMachine(account),
        *schedules.wanted(account),
    ]
    return [
        *[resource for resource in everything if resource.wanted is not None],
        *[resource for resource in reversed(everything) if resource.wanted is None],
    ]


def leftovers(account: Account) -> Iterator[plan.Resource]:
    """Give what apply has made, as not wanted, in the order in which it can go."""
    nothing = package.Artifact("", "", b"")
    yield from [replace(schedule, definition=None) for schedule in schedules.wanted(account)]
    yield StateMachine(account, is_wanted=False)
    yield from [jobs.GlueJob(name, None, account.client("glue")) for name in jobs.deployed(account)]
    yield from [replace(trigger, definition=None) for trigger in functions.triggers(account)]
    for name in functions.deployed(account):
        yield functions.LambdaFunction(name, None, nothing, "", account.client("lambda"))


def carry_out(changes: Iterable[plan.Change | None]) -> int:
    """Do one after another, and say so; return how many there were."""
    count = 0
    for change in filter(None, changes):
        say(change)
        change.carry_out()
        count += 1
    return count


def known_job(account: Account, name: str) -> Any:
    """Return the settings of a job."""
    if name not in account.settings.jobs:
        raise DeployError(f"{name}: there is no such job; there are {', '.join(account.settings.jobs)}")
    return account.settings.jobs[name]


def say(change: plan.Change) -> None:
    """Print what is done to what."""
    sign, colour = SIGNS[change.action]
    click.secho(f"{sign} {change.resource.title}", fg=colour)


def line(what: str, state: str | list[Any], since: datetime | list[Any] | None) -> None:
    """Print a line of the status."""
    when = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if isinstance(since, datetime) else ""
    click.echo(f"{what:<30} {state or '-':<12} {when}".rstrip())


if __name__ == "__main__":
    main()
