"""``make demo``: simulated and real input -> jobs -> tables and live sessions -> the answers to analysts' queries."""

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

from clickstream.storage import kinesis_sink
from deploy.settings import Settings
from lambdas import store
from local import aws, job, summary
from local.athena import query
from local.aws import event_sources
from local.report import page
from simulator import Live, Options, arrivals, live_arrivals, produce
from simulator.clock import SECOND
from simulator.delivery import Arrival

os.environ["TZ"] = "UTC"  # before Spark starts
time.tzset()

ROOT = Path(__file__).parent.parent
LAKE = Path(".local/demo")
QUARANTINE = ("--quarantine_table", "quarantine")
SHOWN = 6  # lines of an answer
QUERIES = ("events_per_type", "visitors_per_country", "quarantined_per_reason")


def main() -> None:
    """Fill an empty lake, with all jobs in one Spark, which is most of what a short run costs; and query it."""
    logging.basicConfig(format="%(message)s")  # of jobs warnings only
    shutil.rmtree(LAKE, ignore_errors=True)
    began = time.monotonic()
    with aws.running() as endpoint:
        os.environ.update(aws.environment(endpoint))  # before Spark starts, whose workers read the streams
        aws.create(endpoint, Settings.read(aws.STAGE))
        load_archive()
        stream_events(endpoint)
        stream_clicks(endpoint)
    for name in QUERIES:
        with step(f"ddl/queries/{name}.sql"):
            ask((ROOT / "ddl" / "queries" / f"{name}.sql").read_text())
    with step("Draw the tables: python -m local report"):
        if page.write(LAKE.absolute(), None):
            sys.exit(1)
    print(f"Done in {time.monotonic() - began:.0f} s. Ask more:")
    print(f'  .venv/bin/python -m local --lake {LAKE} sql "select ..."')


def load_archive() -> None:
    """Load raw events and visits."""
    raw = LAKE / "raw"
    with step("Simulate 100,000 events and 20,000 visits of three days: some twice, late or malformed"):
        produce("events", raw / "events", Options(rows=100_000, days=3, malformed=0.002))
        produce("visits", raw / "clickstream", Options(rows=20_000, days=3, malformed=0.002))
        webhooks = raw / "events" / "arrived=2024-03-03" / "12"
        webhooks.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "examples" / "github_webhook_events.jsonl.gz", webhooks)
        print("and 329 real events: the webhooks that GitHub sends")
    with step("Load them: Spark starts, then glue_jobs/events_batch.py and clickstream_batch.py"):
        run("events_batch", "--raw_path", str(raw / "events"), "--events_table", "events")
        run(
            "clickstream_batch", "--raw_path", str(raw / "clickstream"), "--clickstream_path", str(LAKE / "clickstream")
        )


def stream_events(endpoint: str) -> None:
    """Put events into a local Kinesis and let the stream's job drain it."""
    with step("Put 20,000 events into a local Kinesis, and let glue_jobs/events_stream.py drain it"):
        simulated = arrivals("events", Options(rows=20_000, seed=2, start=date(2024, 3, 4), malformed=0.002))
        put(endpoint, "events", simulated)
        run("events_stream", *source(endpoint, "events"), "--events_table", "events")


def stream_clicks(endpoint: str) -> None:
    """Find the sessions of clicks live and by the batch job, and compare them."""
    lately = Live(int((time.time() - 1_000) * SECOND), rate=5, seconds=1_000)  # those of an older archive are late
    clicks = list(live_arrivals("clicks", Options(users=300, bots=0, malformed=0.002), lately))
    kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
    dynamodb = aws.session().client("dynamodb", endpoint_url=endpoint)
    with step("Find the sessions of 5,000 clicks live: glue_jobs/sessions_stream.py, lambdas/store.py, DynamoDB"):
        put(endpoint, "clicks", clicks)
        lateness = ("--allowed_lateness_seconds", "3600")
        run("sessions_stream", *source(endpoint, "clicks"), "--sessions_stream", "sessions", *lateness)
        with redirect_stdout(StringIO()):  # the function's log
            event_sources.Trigger(event_sources.Shards(kinesis, "sessions"), store.handler, batch_size=500).drain()
        live = {
            (
                item["user_id"]["S"],
                int(item["session_number"]["N"]),
                item["session_key"]["S"],
                int(item["event_count"]["N"]),
            )
            for page in dynamodb.get_paginator("scan").paginate(TableName="live_sessions")
            for item in page["Items"]
        }
    with step("Find them in the raw archive of the same clicks: glue_jobs/sessions_batch.py"):
        now = LAKE / "raw" / "clicks" / f"arrived={datetime.now(UTC):%Y-%m-%d/%H}"
        now.mkdir(parents=True)
        (now / "part-00000.json").write_bytes(b"".join(line + b"\n" for *_, line in clicks))
        raw = ("--source", "clicks", "--raw_path", str(LAKE / "raw" / "clicks"), "--gap_seconds", "10")
        run("sessions_batch", *raw, "--sessions_table", "sessions", "--session_events_table", "session_events")
    with step("Compare, by Trino: the engine that Athena is made of"):
        found = query.ask(LAKE.absolute(), "select user_id, session_number, session_key, event_count from sessions")
        if live != {tuple(row) for row in found.rows}:
            sys.exit(f"demo: {len(live):,} live sessions in DynamoDB are not the {len(found.rows):,} of `sessions`")
        print(f"the {len(live):,} live sessions in DynamoDB are those of the table `sessions`, to the click")


def put(endpoint: str, stream: str, arriving: Iterable[Arrival]) -> None:
    """Put rows into a stream."""
    kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
    kinesis_sink.put(kinesis, stream, ({"Data": line, "PartitionKey": key} for _, key, line in arriving))


def source(endpoint: str, stream: str) -> tuple[str, ...]:
    """Say which stream a job drains, and where its position is kept."""
    where = ("--stream_name", stream, "--endpoint_url", endpoint, "--trigger", "available_now")
    return (*where, "--checkpoint_path", str(LAKE / "checkpoints" / stream))


def run(name: str, *arguments: str) -> None:
    """Run a job on the demo's lake as ``python -m local run`` does; the demo ends where one fails, with its output."""
    output = StringIO()
    with redirect_stdout(output):
        failed = job.run(LAKE.absolute(), name, [*arguments, *QUARANTINE])
    if failed:
        sys.exit(f"{output.getvalue()}demo: {name} failed")
    for line in output.getvalue().splitlines():
        print(summary.words(line).splitlines()[0])


def ask(sql: str) -> None:
    """Answer as ``python -m local sql`` does, in the first rows."""
    output = StringIO()
    with redirect_stdout(output):
        failed = query.answer(LAKE.absolute(), sql, "table")
    if failed:
        sys.exit(1)
    lines = output.getvalue().splitlines()
    more = [f"… {len(lines) - SHOWN} more rows"] if len(lines) > SHOWN else []
    print("\n".join(lines[:SHOWN] + more))


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is done; then what its body has printed, and how long it took."""
    print(title, flush=True)
    began, said = time.monotonic(), StringIO()
    with redirect_stdout(said):
        yield
    lines = "\n".join(f"  {line}" for line in said.getvalue().splitlines())
    print(f"{lines} ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
