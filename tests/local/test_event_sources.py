"""Event source mappings and Firehose, by AWS's documentation."""

import gzip
import json
from base64 import b64decode, b64encode
from itertools import count

import pytest

from local import aws
from local.aws import event_sources

LOWEST, MIDDLE = "0", str(2**127)
names = count()

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def kinesis(endpoint):
    return aws.session().client("kinesis", endpoint_url=endpoint)


@pytest.fixture(scope="module")
def s3(endpoint):
    s3 = aws.session().client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="lake")
    return s3


@pytest.fixture
def stream(kinesis):
    name = f"stream-{next(names)}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    return name


def put(kinesis, stream, *texts, hash_key=LOWEST):
    for text in texts:
        kinesis.put_record(StreamName=stream, Data=text, PartitionKey="u", ExplicitHashKey=hash_key)


class Function:
    """Keeps the texts of each event, then responds as the test wants."""

    def __init__(self, answer=lambda _: None):
        self.answer, self.events = answer, []

    def __call__(self, event, _):
        self.events.append([b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]])
        return self.answer(event["Records"])


def failing(*texts):
    """Report the records that hold one of the texts."""
    encoded = [b64encode(text.encode()).decode() for text in texts]
    return lambda records: {
        "batchItemFailures": [
            {"itemIdentifier": record["kinesis"]["sequenceNumber"]}
            for record in reversed(records)
            if record["kinesis"]["data"] in encoded
        ]
    }


def drained(kinesis, stream, function, **settings):
    trigger = event_sources.Trigger(event_sources.Shards(kinesis, stream), function, **settings)
    trigger.drain()
    return trigger, [b64decode(record["kinesis"]["data"]).decode() for record in trigger.discarded]


def test_a_batch_is_of_one_shard_and_no_larger_than_asked(kinesis):
    stream = f"stream-{next(names)}"
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    put(kinesis, stream, "1", "2", "3")
    put(kinesis, stream, "4", hash_key=MIDDLE)
    function = Function()
    trigger, _ = drained(kinesis, stream, function, batch_size=2)
    assert function.events == [["1", "2"], ["3"], ["4"]]
    put(kinesis, stream, "5")
    trigger.drain()
    assert function.events[3:] == [["5"]]


def test_parents_come_before_their_children(kinesis, stream):
    put(kinesis, stream, "1")
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    put(kinesis, stream, "2", hash_key=MIDDLE)
    put(kinesis, stream, "3")
    function = Function()
    drained(kinesis, stream, function)
    assert function.events == [["1"], ["3"], ["2"]]


def test_a_batch_is_retried_from_its_lowest_failure_on(kinesis, stream):
    put(kinesis, stream, "1", "2", "3", "4")
    function = Function(failing("2", "4"))
    _, discarded = drained(kinesis, stream, function, retries=1)
    assert function.events == [["1", "2", "3", "4"], ["2", "3", "4"], ["2", "3", "4"]]
    assert discarded == ["2", "3", "4"]


def raising(_):
    raise TimeoutError


@pytest.mark.parametrize(
    "answer",
    [
        raising,
        lambda _: {"batchItemFailures": [{"itemIdentifier": ""}]},
        lambda _: {"batchItemFailures": [{"itemIdentifier": None}]},
        lambda _: {"batchItemFailures": [{"wrong": "49"}]},
        lambda _: {"batchItemFailures": [{"itemIdentifier": "49"}]},
        lambda _: {"no": {"JSON"}},
        lambda _: "x" * event_sources.MAX_PAYLOAD_BYTES,
    ],
)
def test_an_invalid_response_fails_the_whole_batch(kinesis, stream, answer):
    put(kinesis, stream, "1", "2")
    function = Function(answer)
    _, discarded = drained(kinesis, stream, function, retries=2)
    assert function.events == [["1", "2"]] * 3
    assert discarded == ["1", "2"]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_nothing_reported_is_success(kinesis, stream, answer):
    put(kinesis, stream, "1")
    function = Function(lambda _: answer)
    assert drained(kinesis, stream, function)[1] == []
    assert len(function.events) == 1


def ok(record, text="x", **more):
    return {"recordId": record["recordId"], "result": "Ok", "data": b64encode(text.encode()).decode(), **more}


def delivered(kinesis, s3, stream, function, prefix=""):
    """Deliver into a folder named after the stream; return the texts of its objects by the rest of their keys."""
    hose = event_sources.Firehose(event_sources.Shards(kinesis, stream), function, s3, "lake", f"{stream}/{prefix}")
    hose.drain()
    found = s3.list_objects_v2(Bucket="lake").get("Contents", [])
    objects = {
        key: gzip.decompress(s3.get_object(Bucket="lake", Key=key)["Body"].read()).decode()
        for key in (one["Key"] for one in found)
    }
    failed = [json.loads(line) for key in objects if key.startswith("failed/") for line in objects[key].splitlines()]
    for key in objects:
        s3.delete_object(Bucket="lake", Key=key)
    good = {key.removeprefix(f"{stream}/")[:-9]: text for key, text in objects.items() if not key.startswith("failed/")}
    return good, [(one["errorCode"], b64decode(one["rawData"]).decode()) for one in failed]


def test_ok_is_delivered_and_dropped_is_not(kinesis, s3, stream):
    put(kinesis, stream, "1", "2", "3")

    def function(event, _):
        first, second, third = event["records"]
        return {"records": [ok(third, "c"), {"recordId": second["recordId"], "result": "Dropped"}, ok(first, "a")]}

    assert delivered(kinesis, s3, stream, function) == ({"": "ac"}, [])


def test_partition_keys_of_the_function_are_in_the_prefix(kinesis, s3, stream):
    put(kinesis, stream, "1", "2")

    def function(event, _):
        keys = [{"metadata": {"partitionKeys": {"day": day}}} for day in ("17", "18")]
        return {
            "records": [ok(record, day, **more) for record, day, more in zip(event["records"], "ab", keys, strict=True)]
        }

    texts, failed = delivered(kinesis, s3, stream, function, "day=!{partitionKeyFromLambda:day}/")
    assert (texts, failed) == ({"day=17/": "a", "day=18/": "b"}, [])


def test_failed_records_are_kept_as_sent(kinesis, s3, stream):
    put(kinesis, stream, "failed", "missing", "twice", "good")

    def function(event, _):
        failed, _, twice, good = event["records"]
        return {
            "records": [{"recordId": failed["recordId"], "result": "ProcessingFailed"}, ok(twice), ok(twice), ok(good)]
        }

    assert delivered(kinesis, s3, stream, function) == (
        {"": "x"},
        [
            ("Lambda.ProcessingFailedStatus", "failed"),
            ("Lambda.MissingRecordId", "missing"),
            ("Lambda.DuplicatedRecordId", "twice"),
        ],
    )


def test_a_failing_function_is_called_four_times_and_then_all_records_are_kept(kinesis, s3, stream):
    put(kinesis, stream, "1", "2")
    tries = []

    def function(event, _):
        tries.append(len(event["records"]))
        return {"records": [ok(record, "x" * event_sources.MAX_PAYLOAD_BYTES) for record in event["records"]]}

    assert delivered(kinesis, s3, stream, function) == (
        {},
        [("Lambda.FunctionError", "1"), ("Lambda.FunctionError", "2")],
    )
    assert tries == [2, 2, 2, 2]


def test_a_buffer_is_full_at_a_megabyte(kinesis, s3, stream):
    put(kinesis, stream, "x" * 600_000, "y" * 600_000, "z")
    sizes = []

    def function(event, _):
        sizes.append(len(event["records"]))
        return {"records": [ok(record) for record in event["records"]]}

    delivered(kinesis, s3, stream, function)
    assert sizes == [1, 2]
