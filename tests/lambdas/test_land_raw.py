"""Records of Kinesis become lines on S3, each once, whatever is sent and whatever fails."""

import gzip
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from itertools import count

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdas import land_raw
from local import aws
from local.aws import event_sources

PATH = "s3://lake/raw/clickstream"
TEN = datetime(2024, 3, 17, 10, 59, 59, tzinfo=UTC).timestamp()
ELEVEN = TEN + 1
NOT_BASE64 = "caf\xe9"
numbers = count(10**55)

DOCUMENTED = {  # https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    "Records": [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                "approximateArrivalTimestamp": 1545084650.987,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::111122223333:role/lambda-kinesis-role",
            "awsRegion": "us-east-2",
            "eventSourceARN": "arn:aws:kinesis:us-east-2:111122223333:stream/lambda-stream",
        }
    ]
}


def record(data, arrived=TEN, shard="shardId-000000000000"):
    """Return a record as in Lambda's event; its data is bytes, or text that is not base64."""
    number = str(next(numbers))
    data = data if isinstance(data, str) else b64encode(data).decode()
    kinesis = {"sequenceNumber": number, "data": data, "approximateArrivalTimestamp": arrived, "partitionKey": "u1"}
    return DOCUMENTED["Records"][0] | {"eventID": f"{shard}:{number}", "kinesis": kinesis}


def number(record):
    return record["kinesis"]["sequenceNumber"]


def reported(answer):
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class S3:
    """Keeps the objects that are put; throttles some keys."""

    def __init__(self, throttles=lambda _: False):
        self.objects, self.throttles = {}, throttles

    def put_object(self, Bucket, Key, Body):  # noqa: N803  # as boto3 calls them
        if self.throttles(Key):
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "not now"}}, "PutObject")
        self.objects[f"s3://{Bucket}/{Key}"] = Body

    def lines(self):
        return [line for body in self.objects.values() for line in gzip.decompress(body).split(b"\n")[:-1]]

    def text(self):
        """Return all lines in the order of the names."""
        return b"".join(gzip.decompress(self.objects[name]) for name in sorted(self.objects))

    def names(self):
        return [name.removeprefix(f"{PATH}/") for name in self.objects]


def counted(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.server
def test_the_documented_event_is_archived_by_its_hour(endpoint, monkeypatch, capsys):
    for name, value in aws.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAW_PATH", "s3://lake/raw")
    land_raw._s3.cache_clear()  # noqa: SLF001  # another test may have called the function elsewhere
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="lake")
    assert land_raw.handler(DOCUMENTED, event_sources.Context()) == {"batchItemFailures": []}
    number = "49590338271490256608559692538361571095921575989136588898"
    key = f"raw/lambda-stream/arrived=2018-12-17/22/shardId-000000000006-{number}-{number}.json.gz"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="lake")["Contents"]] == [key]
    body = s3.get_object(Bucket="lake", Key=key)["Body"].read()
    assert gzip.decompress(body) == b"Hello, this is a test.\n"
    assert counted(capsys) == {"function": "land_raw", "records": 1, "archived": 1, "objects": 1}


def test_objects_for_which_no_time_is_left_are_reported(capsys):
    s3, left = S3(), iter([True, False, False])
    records = [record(b"1"), record("not base64"), record(b"2"), record(b"3"), record("not base64"), record(b"4")]
    answer = land_raw.archive(records, PATH, s3, lambda: next(left))
    assert sorted(reported(answer)) == [number(records[at]) for at in (1, 2, 4, 5)]
    assert len(s3.objects) == 1
    assert counted(capsys)["out_of_time"] == 3


@pytest.mark.server
def test_a_missing_bucket_reports_the_batch(endpoint):
    s3 = aws.session().client("s3", endpoint_url=endpoint)
    records = [record(b"{}"), record(b"{}")]
    assert reported(land_raw.archive(records, "s3://no-such-bucket/raw", s3)) == [number(records[0])]


def test_a_retry_writes_the_same_bytes_under_the_same_name():
    records = [record(b'{"n":1}'), record(b'{"n":2}')]
    once, twice = S3(), S3()
    land_raw.archive(records, PATH, once)
    for _ in range(2):
        land_raw.archive(records, PATH, twice)
    assert once.objects == twice.objects
    assert all(body[4:8] == bytes(4) for body in once.objects.values())  # gzip's time of writing
    first, last = map(number, records)
    assert once.names() == [f"arrived=2024-03-17/10/shardId-000000000000-{first}-{last}.json.gz"]


def test_a_batch_over_an_hours_end_makes_an_object_for_each_hour():
    s3 = S3()
    records = [record(b"1", TEN), record(b"2", TEN), record(b"3", ELEVEN)]
    assert reported(land_raw.archive(records, PATH, s3)) == []
    assert [name[:21] for name in s3.names()] == ["arrived=2024-03-17/10", "arrived=2024-03-17/11"]
    assert s3.lines() == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b'{"n":1}', b'{"n":1}'),
        (b'{"n":1}\n', b'{"n":1}'),
        (b'{"n":1}\r\n', b'{"n":1}\r'),
        (b'{"n":"caf\xe9"}', b'{"n":"caf\xe9"}'),
        (b"\xff\xfe\x00", b"\xff\xfe\x00"),
        (b"", b""),
        (b"\n", b""),
        (b'{"n":1}\n{"n":2}\n', b"\x1eeyJuIjoxfQp7Im4iOjJ9Cg=="),  # <- line feeds: the marker and base64
    ],
    ids=repr,
)
def test_a_record_is_a_line(sent, line):
    s3 = S3()
    land_raw.archive([record(sent)], PATH, s3)
    assert s3.lines() == [line]


def test_an_unreadable_record_is_reported_and_a_retry_writes_the_same_objects(capsys):
    s3 = S3()
    records = [record(b"1"), record(NOT_BASE64), record(b""), record(b"2"), record(b"3")]
    assert reported(land_raw.archive(records, PATH, s3)) == [number(records[1])]
    counts = {"records": 5, "unreadable": 1, "archived": 4, "objects": 2}
    assert counted(capsys) == {"function": "land_raw"} | counts
    archived = dict(s3.objects)
    land_raw.archive(records[1:], PATH, s3)  # as Lambda retries
    assert s3.objects == archived


def test_when_s3_fails_for_an_object_the_others_are_archived_and_it_is_retried(capsys):
    records = [record(b"1", TEN), record(b"2", ELEVEN), record(b"3", ELEVEN), record(NOT_BASE64), record(b"4", ELEVEN)]
    s3 = S3(throttles=lambda key: number(records[1]) in key)
    assert sorted(reported(land_raw.archive(records, PATH, s3))) == [number(records[1]), number(records[3])]
    assert s3.lines() == [b"1", b"4"]
    assert counted(capsys)["failed"] == 2
    s3.throttles = lambda _: False
    assert reported(land_raw.archive(records[1:], PATH, s3)) == [number(records[3])]
    assert s3.lines() == [b"1", b"4", b"2", b"3"]


@given(
    st.lists(st.tuples(st.one_of(st.just(NOT_BASE64), st.binary()), st.sampled_from([TEN, ELEVEN]))),
    st.randoms(use_true_random=False),
)
def test_every_record_is_archived_once_through_failures_and_retries(sent, random):
    """Whatever bytes are sent, whichever records are unreadable and whichever objects S3 throttles at first."""
    throttled = set()

    def throttles(key):
        if key in throttled or random.random() < 0.5:
            return False
        throttled.add(key)
        return True

    records = [record(*row) for row in sorted(sent, key=lambda row: row[1])]
    s3 = S3(throttles)
    trigger = event_sources.Trigger(
        None, lambda event, _: land_raw.archive(event["Records"], PATH, s3), retries=len(records)
    )
    trigger.deliver(records)
    alone = S3()
    for one in records:
        land_raw.archive([one], PATH, alone)
    assert s3.text() == alone.text()
    assert bool(trigger.discarded) == any(one["kinesis"]["data"] == NOT_BASE64 for one in records)


@pytest.mark.server
def test_a_stream_is_archived_once_by_a_function_that_fails_now_and_then(endpoint):
    kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
    kinesis.create_stream(StreamName="visits", ShardCount=3)
    sent = [b'{"n":%d}' % n for n in range(1000)]
    for at in range(0, 1000, 500):
        rows = [{"Data": line, "PartitionKey": line.decode()} for line in sent[at : at + 500]]
        kinesis.put_records(StreamName="visits", Records=rows)
    s3 = aws.session().client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="archive")
    calls = count()

    def function(event, _):
        answer = land_raw.archive(event["Records"], "s3://archive/raw", s3)
        if next(calls) % 4 == 0:
            raise TimeoutError  # after it has written
        return answer

    trigger = event_sources.Trigger(event_sources.Shards(kinesis, "visits"), function, batch_size=70)
    trigger.drain()
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket="archive")["Contents"]]
    bodies = [gzip.decompress(s3.get_object(Bucket="archive", Key=key)["Body"].read()) for key in keys]
    assert sorted(b"".join(bodies).splitlines()) == sorted(sent)
    assert trigger.discarded == []
    assert next(calls) > len(keys)


def test_a_poison_record_does_not_hold_up_the_stream():
    s3 = S3()
    trigger = event_sources.Trigger(None, lambda event, _: land_raw.archive(event["Records"], PATH, s3))
    records = [record(b"1"), record(NOT_BASE64), record(b"2")]
    trigger.deliver(records)
    trigger.deliver([record(b"3")])
    assert s3.lines() == [b"1", b"2", b"3"]
    assert trigger.discarded == records[1:]
    assert b64decode(trigger.discarded[1]["kinesis"]["data"]) == b"2"  # archived, too: only the poison record is lost
