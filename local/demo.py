"""``make demo``: simulated and real input -> jobs -> tables and live sessions -> the answers to analysts' queries."""

import os
import shutil
import sys
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from clickstream.storage import kinesis_sink
from deploy.settings import Settings
from lambdas import store
from local import aws, job
from local.athena import query
from local.aws import event_sources
from simulator import Options, arrivals, produce
from simulator.delivery import Arrival

os.environ["TZ"] = "UTC"  # before Spark starts
time.tzset()

ROOT = Path(__file__).parent.parent
LAKE = Path(".local/demo")
QUERIES = ("events_per_type", "visitors_per_country", "quarantined_per_reason")


def main() -> None:
    """Fill an empty lake, with all jobs in one Spark, which is most of what a short run costs; and query it."""
    os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1")  # short runs do not earn the second compiler
    shutil.rmtree(LAKE, ignore_errors=True)
    with aws.running() as endpoint:
        os.environ.update(aws.environment(endpoint))  # before Spark starts, whose workers read the streams
        aws.create(endpoint, Settings.read(aws.STAGE))
        load_archive("--quarantine_table", "quarantine")
        stream_events(endpoint, "--quarantine_table", "quarantine")
        stream_clicks(endpoint, "--quarantine_table", "quarantine")
    for name in QUERIES:
        say(f"ddl/queries/{name}.sql")
        ask((ROOT / "ddl" / "queries" / f"{name}.sql").read_text())
    say(f'Ask more: .venv/bin/python -m local --lake {LAKE} sql "select ..."')


def load_archive(*quarantine: str) -> None:
    """Load raw events and visits."""
    raw = LAKE / "raw"
    say("Simulating 100,000 events and 20,000 visits of three days, with duplicates, late and malformed rows")
    produce("events", raw / "events", Options(rows=100_000, days=3, malformed=0.002))
    produce("visits", raw / "clickstream", Options(rows=20_000, days=3, malformed=0.002))
    say("Adding 329 real events: the webhooks that GitHub sends")
    webhooks = raw / "events" / "arrived=2024-03-03" / "12"
    webhooks.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "examples" / "github_webhook_events.jsonl.gz", webhooks)
    run("events_batch", "--raw_path", str(raw / "events"), "--events_table", "events", *quarantine)
    table = ("--clickstream_path", str(LAKE / "clickstream"))
    run("clickstream_batch", "--raw_path", str(raw / "clickstream"), *table, *quarantine)


def stream_events(endpoint: str, *quarantine: str) -> None:
    """Put events into a local Kinesis and let the stream's job drain it."""
    say("Putting 20,000 events into a local Kinesis, some of them twice or broken")
    put(endpoint, "events", arrivals("events", Options(rows=20_000, seed=2, start=date(2024, 3, 4), malformed=0.002)))
    run("events_stream", *source(endpoint, "events"), "--events_table", "events", *quarantine)


def stream_clicks(endpoint: str, *quarantine: str) -> None:
    """Find the sessions of clicks live and by the batch job, and compare them."""
    say("Putting 5,000 clicks of two hours into the local Kinesis, and into the raw archive")
    clicks = Options(rows=5_000, users=300, bots=0, malformed=0.002)
    produce("clicks", LAKE / "raw" / "clicks", clicks)
    put(endpoint, "clicks", arrivals("clicks", clicks))
    run("sessions_stream", *source(endpoint, "clicks"), "--sessions_stream", "sessions", *quarantine)
    say("Triggering lambdas/store.py, which writes live sessions to DynamoDB")
    kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
    dynamodb = aws.session().client("dynamodb", endpoint_url=endpoint)
    event_sources.Trigger(event_sources.Shards(kinesis, "sessions"), store.handler, batch_size=500).drain()
    tables = ("--sessions_table", "sessions", "--session_events_table", "session_events")
    raw = ("--source", "clicks", "--raw_path", str(LAKE / "raw" / "clicks"))
    run("sessions_batch", *raw, "--gap_seconds", "10", *tables, *quarantine)
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
    rows = query.ask(LAKE.absolute(), "select user_id, session_number, session_key, event_count from sessions").rows
    if live != {tuple(row) for row in rows}:
        sys.exit(f"demo: {len(live):,} live sessions in DynamoDB are not the {len(rows):,} of the table `sessions`")
    say(f"The {len(live):,} live sessions in DynamoDB are those of the table `sessions`, to the click")
    ask("select session_date, count(*) as sessions, sum(event_count) as clicks from sessions group by 1 order by 1")


def put(endpoint: str, stream: str, arriving: Iterable[Arrival]) -> None:
    """Put rows into a stream."""
    kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
    kinesis_sink.put(kinesis, stream, ({"Data": line, "PartitionKey": key} for _, key, line in arriving))


def source(endpoint: str, stream: str) -> tuple[str, ...]:
    """Say which stream a job drains, and where its position is kept."""
    where = ("--stream_name", stream, "--endpoint_url", endpoint, "--trigger", "available_now")
    return (*where, "--checkpoint_path", str(LAKE / "checkpoints" / stream))


def run(name: str, *arguments: str) -> None:
    """Run a job on the demo's lake as ``python -m local run`` does; the demo ends where one fails."""
    say(f"Running glue_jobs/{name}.py")
    if job.run(LAKE.absolute(), name, list(arguments)):
        sys.exit(f"demo: {name} failed")


def ask(sql: str) -> None:
    """Answer as ``python -m local sql`` does."""
    if query.answer(LAKE.absolute(), sql, "table"):
        sys.exit(1)


def say(what: str) -> None:
    """Print a line of progress."""
    print(f"\n== {what}", flush=True)


if __name__ == "__main__":
    main()
