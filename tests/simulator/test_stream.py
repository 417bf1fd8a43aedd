"""Live rows into Kinesis: when they are due, each once."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recount import accept

from local import aws
from local.aws import event_sources
from simulator import FORMATS, ExpectedCounts, Live, Options, live_arrivals, stream

PROJECT = Path(__file__).parents[2]
BEGIN = 1_710_673_199_123
LIVE = Live(BEGIN, rate=10, seconds=30)


@pytest.fixture(scope="module")
def kinesis(endpoint):
    return aws.session().client("kinesis", endpoint_url=endpoint)


def read(kinesis, name):
    return [record for _, records in event_sources.Shards(kinesis, name).unread(1000) for record in records]


@pytest.mark.parametrize("format_name", FORMATS)
def test_rows_happen_evenly_from_the_beginning_on_and_arrive_later(format_name):
    expected = ExpectedCounts()
    arrived = [at for at, _, _ in live_arrivals(format_name, Options(), LIVE, expected)]
    assert expected.distinct == 300
    assert len(arrived) == expected.lines
    assert arrived == sorted(arrived)
    assert arrived[0] > BEGIN


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_good_live_line_is_accepted(format_name):
    options = Options(duplicates=0, conflicts=0, late=0, malformed=0)
    assert all(accept(format_name, line) for _, _, line in live_arrivals(format_name, options, LIVE))


def test_a_visit_holds_its_time():
    options = Options(duplicates=0, late=0, malformed=0)
    rows = [json.loads(line) for _, _, line in live_arrivals("visits", options, LIVE)]
    texts = [row["event_time"] for row in rows if isinstance(row["event_time"], str)]
    times = [datetime.fromisoformat(text) for text in texts]
    instants = {int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000) for time in times}
    assert instants <= {BEGIN + 100 * number for number in range(300)}
    assert len(instants) > 100


def test_users_come_back_within_their_sessions():
    rows = [json.loads(line) for _, _, line in live_arrivals("visits", Options(malformed=0), LIVE)]
    sessions = Counter(row["session_id"] for row in rows)
    assert len(sessions) < 100
    assert len({(row["user_id"], row["session_id"]) for row in rows}) == len(sessions)


def test_another_beginning_gives_other_rows_and_other_sessions():
    later = Live(BEGIN + 30_000, rate=10, seconds=30)
    options = Options(malformed=0)
    ids = [
        {json.loads(line)[name] for _, _, line in live_arrivals(format_name, options, live)}
        for format_name, name in (("events", "event_uuid"), ("visits", "session_id"))
        for live in (LIVE, later)
    ]
    assert not ids[0] & ids[1]
    assert not ids[2] & ids[3]


@pytest.mark.server
def test_rows_are_put_when_due_and_late_ones_at_the_end(kinesis):
    kinesis.create_stream(StreamName="paced", ShardCount=1)
    begin = int(time.time() * 1000)
    lines = [(begin + 200 * n, f"u{n}", b"%d" % n) for n in range(10)]
    lines.append((begin + 7_200_000, "u", b"late"))
    assert sum(stream.send(kinesis, "paced", lines, begin + 2_000)) == 11
    records = read(kinesis, "paced")
    assert [record["Data"] for record in records] == [line for _, _, line in lines]
    waited = [record["ApproximateArrivalTimestamp"].timestamp() * 1000 - begin for record in records]
    assert all(waited[n] >= 200 * n - 200 for n in range(10))
    assert 1_800 <= waited[-1] <= 10_000


def simulator(endpoint, arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments.split()],
        cwd=PROJECT,
        env=os.environ | aws.environment(endpoint) | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.server
@pytest.mark.process
def test_the_command_puts_what_it_reports(endpoint, kinesis):
    kinesis.create_stream(StreamName="clicks", ShardCount=2)
    ran = simulator(endpoint, "clicks --stream clicks --rate 100 --seconds 2 --malformed 0 --duplicates 0.5")
    records = read(kinesis, "clicks")
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"clicks: {len(records)} lines = 200 distinct + ")
    assert all(json.loads(record["Data"])["user_id"] == record["PartitionKey"] for record in records)


@pytest.mark.server
@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("visits --stream nowhere", 1, "simulator: stream nowhere does not exist"),
        ("visits --stream s --rate 0", 2, "simulator: error: rate must be between 1 and 1000 a second, not 0."),
        ("visits --stream s --seconds 0", 2, "simulator: error: seconds must be at least 1, not 0."),
        ("visits --stream s --rows 5", 2, "simulator: error: --rows does not apply to a stream."),
        ("visits --out d --rate 5", 2, "simulator: error: --rate does not apply to an archive."),
        ("visits --out d --stream s", 2, "simulator: error: argument --stream: not allowed with argument --out"),
        ("visits", 2, "simulator: error: one of the arguments --out --stream is required"),
    ],
)
def test_what_cannot_be_done_is_one_message(endpoint, arguments, status, message):
    ran = simulator(endpoint, arguments)
    assert (ran.returncode, ran.stdout, ran.stderr.splitlines()[-1]) == (status, "", message)


@pytest.mark.server
@pytest.mark.process
def test_missing_credentials_are_one_message(endpoint, tmp_path):
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    ran = simulator(endpoint, "visits --stream s", HOME=str(tmp_path), **none)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (1, "simulator: Unable to locate credentials")
