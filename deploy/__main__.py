"""The command line: deploy code, jobs, functions, tables, triggers, schedules and state machines."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import is_valid_endpoint_url

from deploy import (
    functions,
    job_arguments,
    jobs,
    logs,
    objects,
    optimizers,
    package,
    plan,
    schedules,
    state_machine,
    tables,
)
from deploy.account import Account
from deploy.errors import DeployError
from deploy.settings import Settings, stages
from deploy.state_machine import StateMachine

SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
FINISHED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}
POLL_SECONDS = 5

logger = logging.getLogger("deploy")


class Commands(click.Group):
    """Commands whose errors are sentences."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except DeployError as error:
            logger.debug("the command failed", exc_info=True)
            raise click.ClickException(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            logger.debug("AWS failed", exc_info=True)
            raise click.ClickException(f"AWS: {error}") from error


def check_url(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    """Reject what botocore would raise ``ValueError`` for."""
    if url and not is_valid_endpoint_url(url):
        raise click.BadParameter(f"{url} is not a URL like http://127.0.0.1:5000")
    return url


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--stage", envvar="STAGE", default="dev", show_default=True, type=click.Choice(stages()))
@click.option(
    "--endpoint-url",
    envvar="AWS_ENDPOINT_URL",
    metavar="URL",
    callback=check_url,
    help="another AWS, such as the local one",
)
@click.option("--verbose", is_flag=True, help="log to standard error; show the traceback of an error")
@click.pass_context
def main(context: click.Context, stage: str, endpoint_url: str | None, *, verbose: bool) -> None:
    """Deploy code, jobs, functions, tables and state machines into an AWS account, and look after them.

    What holds data, permissions or money is terraform's: run `make infrastructure STAGE=...` first.
    To roll back, apply an older commit.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    context.obj = Account.of(Settings.read(stage), endpoint_url)


@main.command(name="plan")
@click.pass_obj
def show_plan(account: Account) -> None:
    """Show what apply would change, field by field; change nothing."""
    account.check()
    check_stage(account, account.settings.stage, None)
    changes = [change for change in map(plan.change, resources(account)) if change]
    for change in changes:
        show(change)
        for difference in change.differences:
            click.echo(f"    {difference}")
    click.echo(f"{len(changes)} to change." if changes else "Nothing to change.")


@main.command()
@click.pass_obj
def apply(account: Account) -> None:
    """Change the account to what the working tree and the settings say. After a failure, apply again."""
    account.check()
    check_stage(account, account.settings.stage, None)
    changed = apply_all(map(plan.change, resources(account)))
    click.echo(f"{changed} changed." if changed else "Nothing to change.")


@main.command()
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_obj
def destroy(account: Account, *, yes: bool) -> None:
    """Delete what apply has created, except tables and files: what holds data is terraform's."""
    check_stage(account, account.settings.stage)
    if not yes:
        click.confirm(f"Delete everything of {account.settings.stage} in the account {account.number}?", abort=True)
    deleted = apply_all(map(plan.change, leftovers(account)))
    click.echo(f"{deleted} deleted." if deleted else "Nothing to delete.")


@main.command()
@click.pass_obj
def status(account: Account) -> None:
    """Show the last run of every job and state machine."""
    for name in account.settings.jobs:
        runs = jobs.runs(account, name)
        show_status(f"job {name}", runs and runs[0]["JobRunState"], runs and runs[0]["StartedOn"])
        if runs and runs[0].get("ErrorMessage"):
            click.echo(f"    {runs[0]['ErrorMessage']}")
    for name in state_machine.names():
        executions = StateMachine(name, account).executions()
        started = executions and executions[0]["startDate"]
        show_status(f"state machine {name}", executions and executions[0]["status"], started)
    deployed = functions.deployed(account)
    for name in account.settings.functions:
        show_status(f"function {name}", "deployed" if name in deployed else "", None)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("job")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--NAME VALUE]...")
@click.option("--wait", is_flag=True, help="until the run ends; exit with 1 unless it succeeds")
@click.pass_obj
def run(account: Account, job: str, arguments: tuple[str, ...], *, wait: bool) -> None:
    """Start a run of a job, with arguments that override those of the settings."""
    check_job(account, job)
    takes = job_arguments.defaults(job)
    names, values = arguments[::2], arguments[1::2]
    wrong = [name for name in names if name.removeprefix("--") not in takes or not name.startswith("--")]
    if wrong or len(names) != len(values):
        known = ", ".join(f"--{name}" for name in takes)
        raise DeployError(f"{wrong[0] if wrong else names[-1]}: the job takes {known}, each with a value")
    run_id = jobs.start(account, job, dict(zip(names, values, strict=True)))
    click.echo(f"{job}: {run_id}")
    while wait:
        state = jobs.run(account, job, run_id)
        if state["JobRunState"] in FINISHED:
            click.echo(f"{state['JobRunState']} {state.get('ErrorMessage', '')}".strip())
            sys.exit(state["JobRunState"] != "SUCCEEDED")
        time.sleep(POLL_SECONDS)


@main.command(name="logs")
@click.argument("name", metavar="JOB|FUNCTION")
@click.option("--run", "run_id", help="of a job; by default its last one")
@click.pass_obj
def show_logs(account: Account, name: str, run_id: str | None) -> None:
    """Show the log of a job's run, or a function's of the last hour."""
    if name in account.settings.functions:
        lines = logs.of_function(account, name)
    else:
        check_job(account, name)
        runs = jobs.runs(account, name)
        if not run_id and not runs:
            raise DeployError(f"{name} has not run yet")
        lines = logs.of_run(account, run_id or runs[0]["Id"])
    for text in lines:
        click.echo(text)


def resources(account: Account) -> list[plan.Resource]:
    """List all resources in the order of their creation, then those to delete, the last created first."""
    code_package = package.build()
    s3, code = account.client("s3"), account.bucket("code")
    everything: list[plan.Resource] = [
        *[objects.Object(artifact, code, s3) for artifact in code_package.artifacts],
        *tables.resources(account),
        *optimizers.resources(account),
        *functions.resources(account, code_package),
        *functions.triggers(account),
        *jobs.resources(account, code_package),
        *[StateMachine(name, account) for name in state_machine.names()],
        *schedules.resources(account),
    ]
    return [
        *[resource for resource in everything if resource.desired is not None],
        *[resource for resource in reversed(everything) if resource.desired is None],
    ]


def leftovers(account: Account) -> Iterator[plan.Resource]:
    """Give what apply has created, to delete, the last created first."""
    yield from optimizers.resources(account, are_desired=False)
    nothing = package.Artifact("", "", b"")
    yield from [replace(schedule, definition=None) for schedule in schedules.resources(account)]
    yield from [StateMachine(name, account, is_desired=False) for name in state_machine.names()]
    yield from [jobs.GlueJob(name, None, account) for name in jobs.deployed(account)]
    yield from [replace(trigger, definition=None) for trigger in functions.triggers(account)]
    for name in functions.deployed(account):
        yield functions.LambdaFunction(name, None, nothing, account)


def apply_all(changes: Iterable[plan.Change | None]) -> int:
    """Apply one change after another, and show each; return how many there were."""
    count = 0
    for change in filter(None, changes):
        show(change)
        for difference in change.differences:
            logger.debug("%s: %s", change.resource.title, difference)
        change.apply()
        count += 1
    return count


def check_stage(account: Account, *allowed: str | None) -> None:
    """Raise ``DeployError`` where the account's region is another stage's: names have no stage in them.

    Functions say so by a tag: they are created before the jobs, and deleted last.
    """
    for name, stage in functions.deployed(account).items():
        if stage not in allowed:
            raise DeployError(
                f"{account.number} in {account.settings.region} is not the account of {account.settings.stage}:"
                f" the function {name} there has the tag stage={stage}"
            )


def check_job(account: Account, name: str) -> None:
    """Raise ``DeployError`` where the settings have no such job."""
    if name not in account.settings.jobs:
        raise DeployError(f"there is no job {name}; there are {', '.join(account.settings.jobs)}")


def show(change: plan.Change) -> None:
    """Print a line such as ``+ job replay``."""
    sign, colour = SIGNS[change.action]
    click.secho(f"{sign} {change.resource.title}", fg=colour)


def show_status(what: str, state: str | list[Any], since: datetime | list[Any] | None) -> None:
    """Print a line of ``status``."""
    when = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if isinstance(since, datetime) else ""
    click.echo(f"{what:<30} {state or '-':<12} {when}".rstrip())


if __name__ == "__main__":
    main()
