"""From a stream through a function and a raw archive into a table: every row that was sent is accounted for."""

from itertools import count

import pytest

from clickstream.storage import kinesis_sink
from lambdas import land_raw, transform
from local import aws
from local.aws import event_sources
from simulator import Options, Truth, arrivals

OPTIONS = Options(rows=2_000, duplicates=0.05, malformed=0.05)
NEVER_JSON = ("empty_line", "truncated", "not_json", "not_an_object", "not_utf8", "two_on_a_line")


@pytest.fixture
def kinesis(endpoint):
    return aws.session().client("kinesis", endpoint_url=endpoint)


@pytest.fixture
def s3(endpoint):
    return aws.session().client("s3", endpoint_url=endpoint)


def send(kinesis, shape):
    """Put the simulated rows into a stream of their own; return what they are."""
    truth = Truth()
    kinesis.create_stream(StreamName=shape, ShardCount=2)
    rows = [{"Data": line, "PartitionKey": key} for _, key, line in arrivals(shape, OPTIONS, truth)]
    kinesis_sink.put(kinesis, shape, rows)
    return truth


def fetch(s3, bucket, trial):
    """Bring the raw archive to where the jobs read it."""
    for found in s3.list_objects_v2(Bucket=bucket, Prefix="raw/")["Contents"]:
        body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        trial.send_bytes(body, found["Key"].removeprefix("raw/"))


def test_visits_that_are_landed_become_the_rows_that_were_sent(kinesis, s3, trial):
    truth = send(kinesis, "visits")
    s3.create_bucket(Bucket="visits")
    calls = count()

    def function(event, _):
        answer = land_raw.land(event["Records"], "s3://visits/raw", s3)
        if next(calls) % 3 == 0:
            raise TimeoutError  # after it has written
        return answer

    event_sources.Trigger(event_sources.Shards(kinesis, "visits"), function).drain()
    fetch(s3, "visits", trial)
    counts = trial.clickstream_batch(max_quarantined_ratio=1.0)
    malformed = truth.malformed - truth.malformed_by_kind["empty_line"]
    assert (counts["written"], counts["duplicate"], counts["quarantined"]) == (
        truth.distinct,
        truth.duplicates,
        malformed,
    )


def test_events_that_are_transformed_become_the_rows_that_were_sent(kinesis, s3, trial):
    truth = send(kinesis, "events")
    s3.create_bucket(Bucket="events")
    prefix = "raw/arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/"
    event_sources.Firehose(event_sources.Shards(kinesis, "events"), transform.events, s3, "events", prefix).drain()
    fetch(s3, "events", trial)
    counts = trial.events_batch(max_quarantined_ratio=1.0)
    refused = sum(truth.malformed_by_kind[kind] for kind in NEVER_JSON)
    assert counts["written"] == truth.distinct + truth.conflicts
    assert counts["duplicate"] == truth.duplicates
    assert counts["quarantined"] == truth.malformed - refused
