"""``python -m local watch``: clicks and views of now -> the streaming jobs -> DynamoDB, on the screen as they come.

All of it runs here until Ctrl-C: the local AWS, the simulator, ``sessions_stream`` and ``page_views_stream``, each in
a Spark of its own, and the function ``store``.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live as Screen
from rich.table import Table
from rich.text import Text

from deploy.settings import Settings
from lambdas import store
from local import aws
from local.aws import event_sources
from simulator import Live, Options, live_arrivals
from simulator.clock import SECOND
from simulator.stream import send

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

LONGEST = 24 * 3600  # seconds that the simulator goes on for
ROWS = 12
INTERVAL = ("--batch_interval_seconds", "5")
QUARANTINE = ("--quarantine_table", "quarantine")
JOBS = {
    "sessions_stream": ("clicks", ("--sessions_stream", "sessions", "--allowed_lateness_seconds", "10")),
    "page_views_stream": ("page_views", ("--page_counts_table", "page_counts", "--page_counts_stream", "page_counts")),
}
SIMULATED = {  # stream -> format and rows a second
    "clicks": ("clicks", 8),
    "page_views": ("visits", 20),
}


def watch(lake: Path | str) -> int:
    """Show live sessions and page counts until Ctrl-C, or until a job has failed; return the exit status."""
    if not isinstance(lake, Path):
        print(f"watch: {lake} is not a folder", file=sys.stderr)
        return 1
    logs = lake / "watch"
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        endpoint = stack.enter_context(aws.running())
        environ.update(aws.environment(endpoint))
        aws.create(endpoint, Settings.read(aws.STAGE))
        jobs = {name: stack.enter_context(running(lake, endpoint, name, logs / f"{name}.log")) for name in JOBS}
        for work, streams in ((simulate, SIMULATED), (deliver, store.TABLES)):
            for stream in streams:
                threading.Thread(target=work, args=(stream,), daemon=True).start()
        dynamodb = aws.session().client("dynamodb", endpoint_url=endpoint)
        try:
            with Screen(auto_refresh=False) as screen:
                while not (failed := [name for name, job in jobs.items() if job.poll() is not None]):
                    screen.update(picture(dynamodb, logs), refresh=True)
                    time.sleep(1)
        except KeyboardInterrupt:
            return 0
    print(f"watch: {failed[0]} has ended; its log is {logs / failed[0]}.log", file=sys.stderr)
    return 1


@contextmanager
def running(lake: Path, endpoint: str, name: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a streaming job as a process, on a checkpoint of its own, until it is no longer needed."""
    stream, arguments = JOBS[name]
    where = ("--stream_name", stream, "--endpoint_url", endpoint, "--trigger", "continuous")
    checkpoint = ("--checkpoint_path", f"{lake}/checkpoints/watch-{datetime.now(UTC):%Y%m%dT%H%M%S}-{name}")
    command = [sys.executable, "-m", "local", "--lake", str(lake), "run", name]
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603  # ourselves
            [*command, *where, *checkpoint, *arguments, *INTERVAL, *QUARANTINE],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as job,
    ):
        try:
            yield job
        finally:
            job.kill()


def simulate(stream: str) -> None:
    """Put rows of now into a stream."""
    format_name, rate = SIMULATED[stream]
    live = Live(int(time.time() * SECOND), rate, LONGEST)
    options = Options(users=40, bots=0, duplicates=0.01, malformed=0.01)
    for _ in send(aws.session().client("kinesis"), stream, live_arrivals(format_name, options, live), live.end):
        pass


def deliver(stream: str) -> None:
    """Let the function ``store`` write what comes through a stream."""
    trigger = event_sources.Trigger(
        event_sources.Shards(aws.session().client("kinesis"), stream), store.handler, batch_size=500
    )
    while True:
        trigger.drain()
        time.sleep(0.5)


def picture(dynamodb: "DynamoDBClient", logs: Path) -> Group:
    """Draw what applications would read now: the sessions that changed last, and the pages of the latest window."""
    sessions = sorted(items(dynamodb, "live_sessions"), key=lambda item: str(item["ended_at"]), reverse=True)
    counts = list(items(dynamodb, "live_page_counts"))
    latest = max((str(item["window_start"]) for item in counts), default="")
    pages = sorted((item for item in counts if item["window_start"] == latest), key=lambda item: -int(item["views"]))
    if not sessions and not counts:
        return Group(Text(f"Two Sparks are starting; they log to {logs}"))
    is_open = sum(not item["is_closed"] for item in sessions)
    return Group(
        table(f"live_sessions: {is_open} open, {len(sessions) - is_open} closed",
              ("user_id", "session_id", "started_at", "ended_at", "event_count", "is_closed"), sessions),
        table(f"live_page_counts of the window that began at {latest}", ("page", "views", "users"), pages),
        Text("Ctrl-C ends it"),
    )  # fmt: skip


def table(title: str, columns: tuple[str, ...], rows: list[Item]) -> Table:
    """Lay out the first rows."""
    drawn = Table(*columns, title=title, title_justify="left", expand=True)
    for row in rows[:ROWS]:
        drawn.add_row(*[Text(str(row.get(column, ""))) for column in columns])
    return drawn


def items(dynamodb: "DynamoDBClient", name: str) -> Iterator[Item]:
    """Read a table of DynamoDB as a whole."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=name):
        for item in page["Items"]:
            yield {key: next(iter(value.values())) for key, value in item.items()}
