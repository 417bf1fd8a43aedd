"""``make demo``: simulated and real input -> jobs -> tables -> the answers of three analysts' queries."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

from clickstream import records
from local import aws
from simulator import Options, arrivals, produce

ROOT = Path(__file__).parent.parent
LAKE = Path(".local/demo")
QUERIES = ("events_per_type", "visitors_per_country", "quarantined_per_reason")


def main() -> None:
    """Fill a lake from nothing and ask it."""
    shutil.rmtree(LAKE, ignore_errors=True)
    raw = LAKE / "raw"
    say("Simulating 200,000 events and 50,000 visits of three days, with duplicates, late and malformed rows")
    produce("events", raw / "events", Options(rows=200_000, days=3, malformed=0.002))
    produce("visits", raw / "clickstream", Options(rows=50_000, days=3, malformed=0.002))
    say("Adding 329 real events: the webhooks that GitHub sends")
    webhooks = raw / "events" / "arrived=2024-03-03" / "12"
    webhooks.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "examples" / "github_webhook_events.jsonl.gz", webhooks)
    quarantine = ("--quarantine_path", str(LAKE / "quarantine"))
    run("events_batch", "--raw_path", str(raw / "events"), "--events_table", "events", *quarantine)
    run(
        "clickstream_batch",
        "--raw_path",
        str(raw / "clickstream"),
        "--clickstream_path",
        str(LAKE / "clickstream"),
        *quarantine,
    )
    stream(*quarantine)
    for name in QUERIES:
        say(f"ddl/queries/{name}.sql")
        command("sql", (ROOT / "ddl" / "queries" / f"{name}.sql").read_text())
    say(f'Ask more: .venv/bin/python -m local --lake {LAKE} sql "select ..."')


def stream(*quarantine: str) -> None:
    """Put events into a local Kinesis and let the stream's job drain it."""
    with aws.running() as endpoint:
        os.environ.update(aws.environment(endpoint))
        say("Putting 20,000 events into a local Kinesis, some of them twice or broken")
        kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
        kinesis.create_stream(StreamName="events", ShardCount=2)
        sent = arrivals("events", Options(rows=20_000, seed=2, start=date(2024, 3, 4), malformed=0.002))
        records.put(kinesis, "events", ({"Data": line, "PartitionKey": key} for _, key, line in sent))
        where = ("--stream_name", "events", "--endpoint_url", endpoint, "--run", "available_now")
        checkpoint = ("--checkpoint_path", str(LAKE / "checkpoints" / "events"))
        run("events_stream", *where, "--events_table", "events", *checkpoint, *quarantine)


def run(job: str, *arguments: str) -> None:
    """Run a job; the demo ends where it fails."""
    say(f"Running glue_jobs/{job}.py")
    command("run", job, *arguments)


def command(*arguments: str) -> None:
    """Call ``python -m local`` on the demo's lake."""
    subprocess.run([sys.executable, "-m", "local", "--lake", str(LAKE), *arguments], check=True)  # noqa: S603


def say(what: str) -> None:
    """Print a line of progress."""
    print(f"\n== {what}", flush=True)


if __name__ == "__main__":
    main()
