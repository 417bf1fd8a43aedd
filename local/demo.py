"""``make demo``: simulated and real input -> jobs -> tables -> the answers of three analysts' queries."""

import shutil
import subprocess
import sys
from pathlib import Path

from simulator import Options, produce

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
    for name in QUERIES:
        say(f"ddl/queries/{name}.sql")
        command("sql", (ROOT / "ddl" / "queries" / f"{name}.sql").read_text())
    say(f'Ask more: .venv/bin/python -m local --lake {LAKE} sql "select ..."')


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
