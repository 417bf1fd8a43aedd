"""Every job on s3://, with the ``--conf`` of deployed jobs: S3A, and Iceberg on the Glue catalog of the local AWS."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pyspark
import pytest
import s3_worker
from botocore.exceptions import ClientError
from streamed import sent_to
from trial import event, visit

from deploy.settings import Settings
from local import aws, jars
from local.athena import server

pytestmark = [
    pytest.mark.server,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(pyspark.__version__.startswith("3."), reason="a lake on s3:// needs Spark 4.1"),
]
CATALOG = "glue_catalog.clickstream"
QUARANTINE = ("--quarantine_table", f"{CATALOG}.quarantine")
EVENTS = ("--events_table", f"{CATALOG}.events", *QUARANTINE)
SESSIONS = (*EVENTS, "--sessions_table", f"{CATALOG}.sessions", "--session_events_table", f"{CATALOG}.session_events")
MOST_REQUESTS = {  # that cost what a PUT does, of a run with a few rows; docs/decisions/0020-fewer-requests-to-s3.md
    "events_batch": 55,
    "sessions_batch": 80,
    "clickstream_batch": 75,
    "replay": 40,
    "events_stream": 80,
    "sessions_stream": 105,
    "page_views_stream": 115,
}
NOT_THERE = "s3://not-there/folder"


class Lake:
    """The lake of a local AWS, and a process with Spark that runs jobs on it."""

    def __init__(self, endpoint, requests):
        self.endpoint, self.requests = endpoint, requests
        self.s3 = aws.session().client("s3", endpoint_url=endpoint)
        self.kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
        self.worker = None
        self.seen = 0

    def start(self):
        self.worker = subprocess.Popen(
            [sys.executable, s3_worker.__file__],
            env=os.environ | aws.environment(self.endpoint) | {"PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=aws.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, call, **arguments):
        """Return the JSON that was printed, and the answer."""
        self.worker.stdin.write(json.dumps([call, arguments]) + "\n")
        self.worker.stdin.flush()
        printed = []
        for line in self.worker.stdout:
            if line.startswith(s3_worker.ENDED):
                return printed, json.loads(line.removeprefix(s3_worker.ENDED))
            printed.append(line)
        return printed, self.worker.wait()

    def begin(self, job, *arguments):
        """Let the worker run a job that does not end."""
        self.worker.stdin.write(json.dumps(["run", {"name": job, "arguments": arguments}]) + "\n")
        self.worker.stdin.flush()

    def run(self, job, *arguments):
        """Run a job to its end; return its counts, if it reports any."""
        self.counted()
        printed, error = self.ask("run", name=job, arguments=arguments)
        assert error is None
        puts, gets = self.counted()
        print(f"{job}: {puts} PUT, COPY, POST and LIST, {gets} GET and HEAD")
        assert puts <= MOST_REQUESTS[job]
        reports = [json.loads(line) for line in printed if line.startswith('{"job"')]
        return nonzero(reports[0]["counts"]) if reports else None

    def fails(self, job, *arguments, **more):
        return self.ask("run", name=job, arguments=arguments, **more)[1]

    def rows(self, table, *columns):
        return self.ask("rows", table=table, columns=columns or ("*",))[1]

    def send(self, lines, file):
        body = "".join(f"{line}\n" for line in lines).encode()
        self.s3.put_object(Bucket="lake", Key=f"raw/{file}", Body=body)

    def put(self, stream, records):
        for record in records:
            self.kinesis.put_record(StreamName=stream, Data=record, PartitionKey="any")

    def requests_to_s3(self):
        """Return all of them since the server has been running."""
        recorded = [json.loads(line) for line in self.requests.read_text().splitlines()]
        return [request for request in recorded if request["service"] == "s3"]

    def counted(self):
        """Count the requests to S3 since the last call: what costs as PUT does, and what costs as GET does."""
        made = self.requests_to_s3()
        kinds, self.seen = Counter(kind(request) for request in made[self.seen :]), len(made)
        return kinds["PUT"], kinds["GET"]


def nonzero(counts):
    return {name: rows for name, rows in counts.items() if rows}


def kind(request):
    """Return the price of a request (aws.amazon.com/s3/pricing): a listing costs what a PUT does."""
    is_listing = request["method"] == "GET" and request["path"].count("/") == 1
    if request["method"] in {"PUT", "COPY", "POST"} or is_listing:
        return "PUT"
    return "GET" if request["method"] in {"GET", "HEAD"} else "free"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    requests = tmp_path_factory.mktemp("requests") / "requests.jsonl"
    with aws.running(record_to=requests) as endpoint:
        aws.create(endpoint, Settings.read("dev"))
        lake = Lake(endpoint, requests)
        lake.start()
        yield lake
        lake.worker.stdin.close()
        lake.worker.wait()


def streamed(lake, stream, trigger="available_now"):
    where = ("--stream_name", stream, "--endpoint_url", lake.endpoint, "--trigger", trigger)
    return (*where, "--checkpoint_path", f"s3://lake/checkpoints/{stream}", *QUARANTINE)


def test_batch_jobs_end_in_the_rows_of_a_lake_in_a_folder(lake, trial):
    at = 1_710_670_530_000
    first = [event(f"e{n}", at=at + n * 600_000, user_id=f"u{n % 3}") for n in range(12)] + ["not JSON"]
    late = [event("e3", at=at + 1_800_000, user_id="u0"), event("late", at=at + 60_000, user_id="u1")]
    visits = [visit(f"u{n}", page_url="/home") for n in range(5)] + ["not JSON"]
    events_batch = ("events_batch", "--raw_path", "s3://lake/raw/events", *EVENTS)
    for hour, lines in [(12, first), (13, late)]:  # <- late: a duplicate, and an event that joins two sessions
        file = f"events/arrived=2024-03-17/{hour}/a.jsonl"
        lake.send(lines, file)
        trial.send(lines, file)
        assert lake.run(*events_batch) == nonzero(trial.events_batch())
        assert lake.run("sessions_batch", *SESSIONS) == nonzero(trial.sessions_batch())
    again = lake.run(*events_batch)
    assert again["duplicate"] == again["read"] - 1
    lake.send(visits, "clickstream/arrived=2024-03-17/12/a.jsonl")
    trial.raw = trial.folder / "visits"
    trial.send(visits, "arrived=2024-03-17/12/a.jsonl")
    clickstream = (
        "--raw_path",
        "s3://lake/raw/clickstream",
        "--clickstream_path",
        "s3://lake/clickstream",
        *QUARANTINE,
    )
    assert lake.run("clickstream_batch", *clickstream) == nonzero(trial.clickstream_batch())
    assert lake.run("clickstream_batch", *clickstream)["duplicate"] == 5
    assert lake.rows("events") == trial.events()
    assert lake.rows("session_events") == trial.session_events()
    assert lake.rows("sessions") == trial.sessions()
    assert lake.rows("clickstream") == trial.clickstream()
    assert [row["raw"] for row in lake.rows("quarantine")] == ["not JSON", "not JSON"]
    assert lake.run("replay", "--source", "events", *EVENTS) == {
        "read": 1, "quarantined": 1, "quarantined_by_reason": {"not_a_json_object": 1}
    }  # fmt: skip


def test_it_is_queried_as_in_athena(lake, tmp_path):
    before = len(lake.rows("events"))
    lake.send([event("asked", "ask:a")], "asked/arrived=2024-03-17/12/a.jsonl")
    lake.run("events_batch", "--raw_path", "s3://lake/raw/asked", *EVENTS)
    kept = {"CLICKSTREAM_JARS": str(jars.CACHE), "XDG_CACHE_HOME": str(tmp_path)}
    environment = os.environ | aws.environment(lake.endpoint) | kept

    def answer(sql):
        command = [sys.executable, "-m", "local", "--lake", "s3://lake", "sql", "--format", "json", sql]
        return json.loads(
            subprocess.run(command, cwd=aws.ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout
        )

    try:
        (asked,) = answer("select event_name, \"$path\" as path from events where event_type = 'ask'")
        assert asked["event_name"] == "ask:a"
        assert asked["path"].startswith("s3://lake/events/data/event_type=ask/created_date=2024-03-17/")
        lake.send([event("later", "ask:b")], "later/arrived=2024-03-17/12/a.jsonl")
        lake.run("events_batch", "--raw_path", "s3://lake/raw/later", *EVENTS)
        assert answer("select count(*) as n from clickstream.events") == [{"n": before + 2}]
        assert answer("select * from funnel where session_date < date '2024-01-01'") == []
        assert answer("select count(*) as n from clickstream where event_date = date '2024-02-01'") == [{"n": 0}]
    finally:
        (tmp_path / "clickstream" / "athena" / "lake" / server.NOTE).unlink(missing_ok=True)


@pytest.mark.proof
def test_streams_keep_their_checkpoints_on_s3(lake):
    now = datetime.now(UTC).isoformat()
    click = {"event_name": "a", "event_type": "click", "device_type": "ios", "event_timestamp": now}
    view = {"page_url": "/home", "event_time": now}
    events_stream = ("events_stream", *streamed(lake, "events"), "--events_table", f"{CATALOG}.events")
    sessions_stream = ("sessions_stream", *streamed(lake, "clicks"), "--sessions_stream", "sessions")
    sessions_stream += ("--allowed_lateness_seconds", "3600")  # <- for the jobs in between
    counts = ("--page_counts_table", f"{CATALOG}.page_counts", "--page_counts_stream", "page_counts")
    page_views_stream = ("page_views_stream", *streamed(lake, "page_views"), *counts)
    for batch in range(2):
        lake.put("events", [event(f"s{batch}_{n}", "stream:a") for n in range(5)] + [event("s0_0", "stream:a")])
        lake.put("clicks", [json.dumps(click | {"user_id": f"u{n}", "event_name": f"{batch}"}) for n in range(5)])
        lake.put("page_views", [json.dumps(view | {"user_id": f"u{n}"}) for n in range(5)])
        for job in (events_stream, sessions_stream, page_views_stream):
            lake.run(*job)
    streamed_events = [row["event_uuid"] for row in lake.rows("events") if row["event_type"] == "stream"]
    assert sorted(streamed_events) == sorted(f"s{batch}_{n}" for batch in range(2) for n in range(5))
    assert sum(row["views"] for row in lake.rows("page_counts", "views")) == 10
    latest = {sent["user_id"]: sent for sent in sent_to(lake.kinesis, "sessions")}
    assert {sent["event_count"] for sent in latest.values()} == {
        2
    }  # <- the second batch went on from the first's state


@pytest.mark.proof
def test_a_month_of_live_sessions_costs_at_most_60_dollars_of_requests(lake):
    continuous = (
        "sessions_stream",
        *streamed(lake, "visits", "continuous"),
        *("--sessions_stream", "sessions", "--source", "visits"),
    )
    lake.kinesis.create_stream(StreamName="visits", ShardCount=1)
    lake.begin(*continuous, "--batch_interval_seconds", "10")
    batches = []
    while len(batches) < 5:
        lake.put("visits", [visit(f"u{n}", datetime.now(UTC).isoformat()) for n in range(40)])
        time.sleep(2)
        batches = per_batch(lake.requests_to_s3(), "visits")
    lake.worker.kill()
    lake.start()
    requests = Counter(kind(request) for request in batches[-1])
    dollars = requests["PUT"] * 5e-6 + requests["GET"] * 0.4e-6
    print(f"a batch: {dict(requests)}, a month of them: ${dollars * 30 * 86_400 / 10:.2f}")
    assert dollars * 30 * 86_400 / 10 <= 60


def per_batch(requests, checkpoint):
    """Cut requests where a batch is committed; leave out what follows the last one."""
    batches, batch = [], []
    for request in requests:
        batch.append(request)
        if request["method"] == "COPY" and f"/{checkpoint}/commits/" in request["path"]:
            batches.append(batch)
            batch = []
    return batches


def test_every_commit_of_a_race_is_kept(lake):
    _, raced = lake.ask("race", table="page_counts")
    assert raced["found"] == raced["made"]


def test_a_stale_version_is_refused(lake):
    glue = aws.session().client("glue", endpoint_url=lake.endpoint)
    table = glue.get_table(DatabaseName="clickstream", Name="sessions")["Table"]
    given = {name: table[name] for name in ("Name", "Parameters", "StorageDescriptor")}
    glue.update_table(DatabaseName="clickstream", TableInput=given, VersionId=table["VersionId"])
    with pytest.raises(ClientError, match="ConcurrentModificationException"):
        glue.update_table(DatabaseName="clickstream", TableInput=given, VersionId=table["VersionId"])


def test_a_bucket_that_is_missing_is_a_sentence(lake):
    raw = ("--raw_path", "s3://lake/raw/events")
    for name, said in [
        ("raw_path", lake.fails("events_batch", "--raw_path", NOT_THERE, *EVENTS)),
        ("run_reports_path", lake.fails("events_batch", *raw, *EVENTS, "--run_reports_path", NOT_THERE)),
        ("TempDir", lake.fails("events_batch", *raw, *EVENTS, temp_dir=NOT_THERE)),
        ("clickstream_path", lake.fails("clickstream_batch", *raw, *QUARANTINE, "--clickstream_path", NOT_THERE)),
        ("checkpoint_path", lake.fails("events_stream", *streamed(lake, "events")[:-4], *EVENTS, "--checkpoint_path",
                                       NOT_THERE)),
    ]:  # fmt: skip
        assert said is not None, name
        assert said.startswith(f"--{name} {NOT_THERE}"), said
        assert "\n" not in said


@pytest.mark.proof
def test_a_run_that_is_killed_between_two_publishes_is_completed_by_the_next(lake):
    quarantined = len(lake.rows("quarantine"))
    lake.send([event("killed", "kill:a"), "not JSON either"], "killed/arrived=2024-03-18/10/a.jsonl")
    lake.ask("kill_at_publish", number=2)
    _, status = lake.ask("run", name="events_batch", arguments=("--raw_path", "s3://lake/raw/killed", *EVENTS))
    assert status == -9
    lake.start()
    assert [row["event_uuid"] for row in lake.rows("events") if row["event_type"] == "kill"] == ["killed"]
    assert len(lake.rows("quarantine")) == quarantined
    counts = lake.run(
        "events_batch", "--raw_path", "s3://lake/raw/killed", *EVENTS, "--run_reports_path", "s3://lake/r"
    )
    assert counts == {
        "read": 2, "duplicate": 1, "quarantined": 1, "quarantined_by_reason": {"not_a_json_object": 1}
    }  # fmt: skip
    assert len(lake.rows("quarantine")) == quarantined + 1
