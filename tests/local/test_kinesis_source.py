"""Kinesis through Spark: every record once, whatever happens to shards, calls and queries."""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

pytest.importorskip("pyspark.sql.datasource", reason="Spark 3.5 has no data sources in Python")

from pyspark.errors import StreamingQueryException

from local import kinesis_source
from tools.chaos.fault_proxy import FaultProxy
from tools.chaos.stream import KinesisStream

pytestmark = pytest.mark.server

KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ.update(KEYS)  # before Spark starts, whose workers read the streams
HASH_KEYS = 2**128


class NumberedStream(KinesisStream):
    """A stream of its own for a test, whose records are numbered."""

    sent = 0

    def send(self, count: int, share: float | None = None) -> range:
        """Send records to all shards alike, or all to the one that holds this share of the hash keys."""
        numbers = range(self.sent, self.sent + count)
        places = [number % 97 / 97 if share is None else share for number in numbers]
        self.put([
            {"Data": b"%d" % number, "PartitionKey": f"user-{number}", "ExplicitHashKey": str(int(HASH_KEYS * place))}
            for number, place in zip(numbers, places, strict=True)
        ])
        self.sent += count
        return numbers


class Reader:
    """One query and its checkpoint; what each of its batches held."""

    def __init__(self, spark, folder: Path, stream: NumberedStream, endpoint: str, **options: object) -> None:
        self.spark = spark
        self.checkpoint = folder / "checkpoint"
        self.batches: dict[int, list] = {}
        self.fails_at: int | None = None
        self.options = {"streamName": stream.name, "endpointUrl": endpoint, "awsRegion": "us-east-1"}
        self.options |= {"startingPosition": "trim_horizon", "describeShardInterval": "0s", "retryIntervalMs": 5}
        self.options |= {"avoidEmptyBatches": "true"} | options

    def numbers(self) -> list[int]:
        return sorted(int(row.data) for rows in self.batches.values() for row in rows)

    def drain(self) -> list[int]:
        """Run with availableNow; return the numbers that came."""
        before = Counter(self.numbers())
        query = self.started(availableNow=True)
        try:
            query.awaitTermination()
        finally:
            query.stop()
        return sorted((Counter(self.numbers()) - before).elements())

    def run_and(self, *actions: Callable[[], object]) -> None:
        """Run until nothing is left, and again after every action."""
        with self.running() as query:
            for act in actions:
                act()
                query.processAllAvailable()

    @contextmanager
    def running(self) -> Iterator:
        query = self.started(processingTime="0 seconds")
        try:
            query.processAllAvailable()
            yield query
        finally:
            query.stop()

    def started(self, **trigger):
        self.spark.dataSource.register(kinesis_source.KinesisDataSource)
        rows = self.spark.readStream.format("kinesis").options(**self.options).load()
        return (
            rows.writeStream
            .foreachBatch(self.keep)
            .option("checkpointLocation", str(self.checkpoint))
            .trigger(**trigger)
            .start()
        )

    def keep(self, rows, batch: int) -> None:
        collected = rows.collect()
        earlier = self.batches.get(batch)
        assert earlier is None or sorted(earlier) == sorted(collected), "a batch was repeated with other rows"
        self.batches[batch] = collected
        if batch == self.fails_at:
            raise RuntimeError("this batch is not committed")

    def batch_of(self, shard: str) -> list[int]:
        return [batch for batch, rows in self.batches.items() if any(row.shardId == shard for row in rows)]

    def logged_offset(self) -> dict[str, str]:
        """Read the end of the batch planned last."""
        last = max((self.checkpoint / "offsets").glob("[0-9]*"), key=lambda path: int(path.name))
        return json.loads(last.read_text().splitlines()[-1])


@pytest.fixture(scope="module")
def running_proxy(endpoint):
    with FaultProxy.running(endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(running_proxy):
    running_proxy.reset()
    return running_proxy


@pytest.fixture
def client(endpoint):
    return boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106
    )


@pytest.fixture
def stream(client):
    return NumberedStream(client, shards=2)


@pytest.fixture
def reader(spark, tmp_path, stream, proxy):
    return Reader(spark, tmp_path, stream, proxy.url)


def buffers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("kinesis-buffer-*/*/*"))


def test_a_row_has_the_columns_of_the_connector(reader, stream):
    before = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    stream.send(1)
    reader.drain()
    ((row,),) = reader.batches.values()
    assert row.asDict().keys() == {
        "data", "streamName", "shardId", "partitionKey", "sequenceNumber", "approximateArrivalTimestamp"
    }  # fmt: skip
    assert (bytes(row.data), row.streamName, row.partitionKey) == (b"0", stream.name, "user-0")
    assert row.shardId == stream.shards()[0]
    assert int(row.sequenceNumber) > 0
    assert before <= row.approximateArrivalTimestamp <= datetime.now(UTC).replace(tzinfo=None)


def test_available_now_takes_all_that_is_there_and_ends(reader, stream):
    reader.options["maxFetchRecordsPerShard"] = 500
    there = stream.send(3_000)
    assert reader.drain() == list(there)
    assert reader.drain() == []
    added = stream.send(1_500)
    assert reader.drain() == list(added)  # from where it stood, not from the start


def test_a_running_query_keeps_to_the_limit_and_reads_each_record_once(reader, stream, proxy):
    reader.options["maxFetchRecordsPerShard"] = 500
    before = buffers()
    with reader.running() as query:
        stream.send(3_000)
        query.processAllAvailable()
        assert reader.numbers() == list(range(3_000))
        per_shard = [Counter(row.shardId for row in rows) for rows in reader.batches.values()]
        assert max(count for counts in per_shard for count in counts.values()) == 500
        assert proxy.records_read == 3_000
        stream.send(1)
        query.processAllAvailable()
        assert len(buffers() - before) <= 1  # only the last batch waits for its commit
    reader.run_and(lambda: stream.send(1), lambda: stream.send(1))
    assert len(buffers() - before) <= 1


def test_an_idle_stream_gives_an_empty_batch_at_each_trigger(reader, stream):
    there = stream.send(10)
    reader.drain()
    assert set(reader.logged_offset()) == set(stream.shards())
    reader.options["avoidEmptyBatches"] = "false"
    assert (reader.drain(), list(reader.batches)) == ([], [0, 1])
    query = reader.started(processingTime="1 second")
    begun = time.monotonic()
    while len(reader.batches) < 4:
        time.sleep(0.1)
    added = stream.send(10)
    while len(reader.numbers()) < 20:
        time.sleep(0.1)
    query.stop()
    assert len(reader.batches) <= 2 + 1 + (time.monotonic() - begun)  # <- no faster than the trigger
    assert reader.numbers() == [*there, *added]
    reader.options["avoidEmptyBatches"] = "true"
    batches = len(reader.batches)
    assert (reader.drain(), len(reader.batches)) == ([], batches)


def test_a_planned_empty_batch_is_repeated_as_an_empty_one(reader, stream):
    reader.options |= {"avoidEmptyBatches": "false", "failOnDataLoss": "true"}
    stream.send(10)
    reader.drain()
    reader.fails_at = 1
    with pytest.raises(StreamingQueryException, match="not committed"):
        reader.drain()
    reader.fails_at = None
    added = stream.send(10)
    stream.split(stream.shards()[0])
    assert [*reader.drain(), *reader.drain()] == list(added)  # <- the first of them may end with the repeated batch
    assert reader.batches[1] == []


def test_split_and_merge_while_running(reader, stream):
    reader.options["maxFetchRecordsPerShard"] = 50  # <- no shard is read in one batch
    with reader.running() as query:
        stream.send(200)
        query.processAllAvailable()
        first, second = stream.shards()
        stream.send(200)
        stream.split(first)
        stream.send(200)
        query.processAllAvailable()
        left, right, _ = stream.shards()
        stream.send(200)
        stream.merge(right, second)
        stream.send(200)
        query.processAllAvailable()
        _, merged = stream.shards()
    assert reader.numbers() == list(range(1_000))
    for parent, child in [(first, left), (first, right), (right, merged), (second, merged)]:
        assert max(reader.batch_of(parent)) < min(reader.batch_of(child))


def test_split_and_merge_while_stopped(reader, stream):
    reader.options["maxFetchRecordsPerShard"] = 50
    stream.send(200)
    reader.drain()
    first, second = stream.shards()
    stream.send(200)  # <- closed shards with records that are not read yet
    stream.split(first)
    stream.send(200)
    _, right, _ = stream.shards()
    stream.merge(right, second)
    stream.send(200)
    reader.drain()
    assert reader.numbers() == list(range(800))
    assert {reader.logged_offset()[shard] for shard in (first, second, right)} == {"SHARD_END"}


def test_closed_shards_are_remembered_while_kinesis_lists_them(reader, stream, proxy):
    reader.options["failOnDataLoss"] = "true"
    first, _ = stream.shards()
    stream.split(first)
    stream.send(100)
    reader.drain()
    assert reader.logged_offset()[first] == "SHARD_END"
    proxy.hidden = {first}
    stream.send(100)
    reader.drain()
    assert first not in reader.logged_offset()
    assert reader.numbers() == list(range(200))


@pytest.mark.parametrize(
    ("start", "fails_at"), [("trim_horizon", 0), ("2024-03-17T10:15:30Z", 2), ("latest", 0), ("latest", 1)]
)
def test_a_planned_batch_is_repeated_with_the_same_rows(reader, stream, start, fails_at):
    reader.options |= {"startingPosition": start, "maxFetchRecordsPerShard": 100, "failOnDataLoss": "true"}
    ignored = stream.send(100) if start == "latest" else range(0)
    reader.fails_at = fails_at
    with pytest.raises(StreamingQueryException, match="this batch is not committed"):
        reader.run_and(lambda: stream.send(500))
    planned = reader.batches[fails_at]
    stream.send(100)
    stream.split(stream.shards()[0])
    stream.send(100)
    reader.fails_at = None
    reader.run_and()
    assert reader.batches[fails_at] is not planned  # it was repeated; keep() has compared the rows
    assert reader.numbers() == list(range(len(ignored), stream.sent))


def test_latest_is_what_comes_after_the_start(reader, stream):
    reader.options["startingPosition"] = "latest"
    stream.send(100)
    assert reader.drain() == []
    stopped = stream.send(100)
    with reader.running() as query:
        running = stream.send(100)
        query.processAllAvailable()
    assert reader.numbers() == [*stopped, *running]


def test_latest_stays_where_it_was_after_a_crash(reader, stream, proxy):
    reader.options["startingPosition"] = "latest"
    reader.fails_at = 0
    proxy.before_next["ListShards"] = lambda: stream.send(100)  # <- the source has looked at the clock
    with pytest.raises(StreamingQueryException, match="not committed"):
        reader.drain()
    reader.fails_at = None
    reader.run_and()
    assert reader.numbers() == list(range(100))


def test_from_a_timestamp_on(reader, stream):
    stream.send(100)
    time.sleep(0.01)
    reader.options["startingPosition"] = datetime.now(UTC).isoformat()
    time.sleep(0.01)
    later = stream.send(100)
    assert reader.drain() == list(later)


def test_an_empty_shard(reader, stream):
    stream.send(100, share=0.1)
    assert reader.drain() == list(range(100))
    first, second = stream.shards()
    assert reader.logged_offset()[second] == "TRIM_HORIZON"
    later = stream.send(100, share=0.9)
    assert reader.drain() == list(later)
    assert reader.logged_offset()[first].startswith("AFTER_SEQUENCE_NUMBER:")


def test_three_calls_in_ten_are_throttled(reader, stream, proxy):
    reader.options |= {"numRetries": 20, "maxRetryIntervalMs": 20, "maxRecordPerRead": 50}
    throttled = ("ProvisionedThroughputExceededException", 0.3)
    proxy.failing = {
        "GetRecords": throttled,
        "GetShardIterator": throttled,
        "ListShards": ("LimitExceededException", 0.3),
    }
    stream.send(500)
    reader.run_and(lambda: stream.send(500))
    assert reader.numbers() == list(range(1_000))
    assert proxy.calls["ProvisionedThroughputExceededException"] > 5
    assert proxy.calls["LimitExceededException"] > 0


def test_throttling_that_does_not_end_fails_the_query(reader, proxy):
    reader.options |= {"numRetries": 2}
    proxy.failing = {"GetShardIterator": ("ProvisionedThroughputExceededException", 1)}
    with pytest.raises(StreamingQueryException, match="ProvisionedThroughputExceededException"):
        reader.drain()
    assert proxy.calls["ProvisionedThroughputExceededException"] <= 2 * 3  # of two shards


def test_iterators_that_expire_are_renewed(reader, stream, proxy):
    reader.options["maxRecordPerRead"] = 10
    proxy.failing = {"GetRecords": ("ExpiredIteratorException", 0.3)}
    stream.send(500)
    reader.run_and(lambda: stream.send(500))
    assert reader.numbers() == list(range(1_000))
    assert proxy.calls["ExpiredIteratorException"] > 5


def test_a_shard_that_is_gone_before_it_was_read(reader, stream, proxy):
    stream.send(100)
    reader.drain()
    first, second = stream.shards()
    stream.send(100, share=0.1)
    kept = stream.send(100, share=0.9)
    proxy.hidden = {first}
    reader.options["failOnDataLoss"] = "true"
    with pytest.raises(StreamingQueryException, match=f"{first} is gone, and was read only up to"):
        reader.drain()
    assert reader.numbers() == list(range(100))
    reader.options["failOnDataLoss"] = "false"
    reader.drain()
    assert reader.numbers() == [*range(100), *kept]
    assert reader.logged_offset().keys() == {second}


def test_a_planned_batch_that_kinesis_no_longer_holds(reader, stream, client):
    reader.options["failOnDataLoss"] = "true"
    stream.send(100)
    reader.fails_at = 0
    with pytest.raises(StreamingQueryException, match="not committed"):
        reader.drain()
    client.delete_stream(StreamName=stream.name)
    client.create_stream(StreamName=stream.name, ShardCount=2)
    with pytest.raises(StreamingQueryException, match="does not hold the record of AFTER_SEQUENCE_NUMBER"):
        reader.drain()


def test_options_are_those_of_glue():
    parsed = kinesis_source.Options.parse({
        "streamarn": "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks",
        "STARTINGPOSITION": "2024-03-17T10:15:30Z",
        "describeShardInterval": "500ms",
        "maxFetchTimeInMs": "250",
    })
    assert (parsed.stream, parsed.region, parsed.endpoint) == ("clicks", "eu-west-1", None)
    assert parsed.start == "AT_TIMESTAMP:1710670530000"
    assert (parsed.list_seconds, parsed.fetch_seconds, parsed.fetch_records) == (0.5, 0.25, 100_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maxFetchRecords": "5"}, "maxfetchrecords: no such option"),
        ({"maxFetchRecordsPerShard": "0"}, "maxFetchRecordsPerShard=0: not above 0"),
        ({"maxRecordPerRead": "10001"}, "maxRecordPerRead=10001: Kinesis returns at most 10000"),
        ({"maxFetchTimeInMs": "1s"}, "maxFetchTimeInMs=1s: not a whole number"),
        ({"describeShardInterval": "1"}, "describeShardInterval=1: not a duration"),
        ({"failOnDataLoss": "yes"}, "failOnDataLoss=yes: not true or false"),
        ({"startingPosition": "newest"}, "startingPosition=newest: not latest, trim_horizon, earliest or an ISO"),
        ({"startingPosition": "2999-01-01"}, "startingPosition=2999-01-01: is in the future"),
        ({"streamARN": "clicks"}, "streamARN=clicks: not the ARN of a stream"),
        ({"streamName": ""}, "give either streamARN or streamName"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        kinesis_source.Options.parse({"streamName": "clicks"} | options)


def test_a_wrong_option_fails_before_anything_is_read(reader):
    reader.options["maxFetchRecords"] = 5
    with pytest.raises(Exception, match="maxfetchrecords: no such option of the kinesis connection"):
        reader.started(availableNow=True)
