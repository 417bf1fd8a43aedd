"""From a stream through a function and the raw archive into a table: every row sent is accounted for."""

from itertools import count

import pytest

from clickstream.storage import kinesis_sink
from lambdas import land_raw, transform
from local import aws
from local.aws import event_sources
from simulator import ExpectedCounts, Options, arrivals

pytestmark = pytest.mark.server

OPTIONS = Options(rows=2_000, duplicates=0.05, malformed=0.05)


@pytest.fixture
def kinesis(endpoint):
    return aws.session().client("kinesis", endpoint_url=endpoint)


@pytest.fixture
def s3(endpoint):
    return aws.session().client("s3", endpoint_url=endpoint)


def send(kinesis, format_name):
    """Put simulated rows into a stream of their own; return the expected counts."""
    expected = ExpectedCounts()
    kinesis.create_stream(StreamName=format_name, ShardCount=2)
    rows = [{"Data": line, "PartitionKey": key} for _, key, line in arrivals(format_name, OPTIONS, expected)]
    kinesis_sink.put(kinesis, format_name, rows)
    return expected


def fetch(s3, bucket, trial):
    """Copy the raw archive to where the jobs read it."""
    for found in s3.list_objects_v2(Bucket=bucket, Prefix="raw/")["Contents"]:
        body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        trial.send_bytes(body, found["Key"].removeprefix("raw/"))


def test_archived_visits_become_the_rows_that_were_sent(kinesis, s3, trial):
    expected = send(kinesis, "visits")
    s3.create_bucket(Bucket="visits")
    calls = count()

    def function(event, _):
        answer = land_raw.archive(event["Records"], "s3://visits/raw", s3)
        if next(calls) % 3 == 0:
            raise TimeoutError  # after it has written
        return answer

    event_sources.Trigger(event_sources.Shards(kinesis, "visits"), function).drain()
    fetch(s3, "visits", trial)
    counts = trial.clickstream_batch(max_quarantined_ratio=1.0)
    assert (counts["written"], counts["duplicate"], counts["quarantined"]) == (
        expected.distinct,
        expected.duplicates,
        expected.malformed,
    )


def test_transformed_events_become_the_rows_that_were_sent(kinesis, s3, trial):
    expected = send(kinesis, "events")
    s3.create_bucket(Bucket="events")
    prefix = "raw/arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/"
    event_sources.Firehose(event_sources.Shards(kinesis, "events"), transform.events, s3, "events", prefix).drain()
    fetch(s3, "events", trial)
    counts = trial.events_batch(max_quarantined_ratio=1.0)
    assert counts["written"] == expected.distinct + expected.conflicts
    assert counts["duplicate"] == expected.duplicates
    assert counts["quarantined"] == expected.malformed
