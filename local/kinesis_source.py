"""Kinesis as a streaming source of Spark 4: format ``kinesis``, with the names of the options of Glue's connection.

An offset holds a position for every shard, and a batch is what lies between two offsets, so Spark's log of offsets is
all that it takes to read a batch again. The positions are

    TRIM_HORIZON                before the shard's first record
    AT_TIMESTAMP:<Unix ms>      before the first record that arrived then or later; none has yet
    AFTER_SEQUENCE_NUMBER:<n>   after that record
    SHARD_END                   closed, and read to its end

An offset that differs from the one before in nothing but the time at which the shards were read (``READ_AT``) ends an
empty batch, as the connection gives one at each trigger unless it shall avoidEmptyBatches.

A batch's records are fetched when the batch is planned, up to the limits, and buffered in files until it is committed.
A shard that was split or merged is read to its end in an earlier batch than its children. The first batch after a start
(under ``availableNow`` the only one) has no limits and holds parents and children:
docs/decisions/0009-draining-kinesis-locally.md.
"""

import json
import logging
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self, TypeVar

import boto3
import pyarrow as pa  # type: ignore[import-untyped]
from botocore.config import Config
from botocore.exceptions import ClientError
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.types import StructType

T = TypeVar("T")
Offset = dict[str, str]

TRIM_HORIZON, AT_TIMESTAMP, AFTER, SHARD_END = "TRIM_HORIZON", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER", "SHARD_END"
LATEST = "LATEST"  # a starting position, never part of an offset, because it moves
READ_AT = "readAt"  # beside the shards: Unix ms

COLUMNS = (
    "data binary, streamName string, shardId string, partitionKey string, sequenceNumber string,"
    " approximateArrivalTimestamp timestamp"
)
ARROW_COLUMNS = pa.schema([
    ("data", pa.binary()),
    ("streamName", pa.string()),
    ("shardId", pa.string()),
    ("partitionKey", pa.string()),
    ("sequenceNumber", pa.string()),
    ("approximateArrivalTimestamp", pa.timestamp("us", tz="UTC")),
])

THROTTLED = {
    "InternalFailure",
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ServiceUnavailable",
    "ThrottlingException",
}
RECORDS_PER_READ = 10_000  # the most of GetRecords; docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
IDLE_SECONDS = 0.2  # 5 reads a second and shard; docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARDS_AT_ONCE = 8

logger = logging.getLogger(__name__)


class DataLossError(Exception):
    """Records are gone before they were read."""


@dataclass(frozen=True)
class Options:
    """The options of the connection, with Glue's defaults."""

    stream: str
    region: str | None
    endpoint: str | None
    start: str
    fails_on_data_loss: bool
    avoids_empty_batches: bool
    fetch_seconds: float
    fetch_records: int
    read_records: int
    list_seconds: float
    retries: int
    retry_seconds: float
    max_retry_seconds: float

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """Parse the options; their names are case-insensitive."""
        unknown = {name.lower(): text for name, text in given.items()}

        def take(name: str, read: Callable[[str], T], default: str) -> T:
            text = unknown.pop(name.lower(), default)
            try:
                return read(text)
            except ValueError as error:
                raise ValueError(f"{name}={text}: {error}") from error

        named, (arn_region, arn_stream) = take("streamName", str, ""), take("streamARN", _region_and_stream, "")
        if bool(named) == bool(arn_stream):
            raise ValueError("give either streamARN or streamName")
        parsed = cls(
            stream=named or arn_stream,
            region=take("awsRegion", str, arn_region) or None,
            endpoint=take("endpointUrl", str, "") or None,
            start=take("startingPosition", _starting_position, "latest"),
            fails_on_data_loss=take("failOnDataLoss", _boolean, "false"),
            avoids_empty_batches=take("avoidEmptyBatches", _boolean, "false"),
            fetch_seconds=take("maxFetchTimeInMs", _natural, "1000") / 1000,
            fetch_records=take("maxFetchRecordsPerShard", _positive, "100000"),
            read_records=take("maxRecordPerRead", _records_per_read, "10000"),
            list_seconds=take("describeShardInterval", _seconds, "1s"),
            retries=take("numRetries", _natural, "3"),
            retry_seconds=take("retryIntervalMs", _natural, "1000") / 1000,
            max_retry_seconds=take("maxRetryIntervalMs", _natural, "10000") / 1000,
        )
        take("addRecordTimestamp", _boolean, "false")  # approximateArrivalTimestamp is always there
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: no such option of the kinesis connection")
        return parsed


def _region_and_stream(arn: str) -> tuple[str, str]:
    if not arn:
        return "", ""
    matched = re.fullmatch(r"arn:aws[a-z-]*:kinesis:([a-z0-9-]+):\d{12}:stream/([\w.-]+)", arn)
    if not matched:
        raise ValueError("not the ARN of a stream")
    return matched[1], matched[2]


def _starting_position(text: str) -> str:
    if text.lower() in ("trim_horizon", "earliest"):
        return TRIM_HORIZON
    if text.lower() == "latest":
        return LATEST
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not latest, trim_horizon, earliest or an ISO 8601 timestamp") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > datetime.now(UTC):
        raise ValueError("is in the future")
    return f"{AT_TIMESTAMP}:{int(at.timestamp() * 1000)}"


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("not true or false")
    return text.lower() == "true"


def _natural(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError("not a whole number")
    return int(text)


def _positive(text: str) -> int:
    if not _natural(text):
        raise ValueError("not above 0")
    return int(text)


def _records_per_read(text: str) -> int:
    if _positive(text) > RECORDS_PER_READ:
        raise ValueError(f"Kinesis returns at most {RECORDS_PER_READ}")
    return int(text)


def _seconds(text: str) -> float:
    matched = re.fullmatch(r"([0-9]+) ?(ms|s|m|h)", text)
    if not matched:
        raise ValueError("not a duration such as 1s, 500ms, 2m")
    units = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}
    return timedelta(**{units[matched[2]]: int(matched[1])}).total_seconds()


@dataclass(frozen=True)
class Page:
    """The records of one GetRecords."""

    records: list[dict[str, Any]]
    position: str  # after them
    is_last: bool  # the shard holds no more at present

    @property
    def arrived(self) -> float:
        """The arrival of its last record in Unix seconds."""
        return _arrived(self.records[-1]) if self.records else 0.0


def _arrived(record: dict[str, Any]) -> float:
    return float(record["ApproximateArrivalTimestamp"].timestamp())


class StreamClient:
    """The calls that reading a stream takes, each retried while Kinesis throttles it."""

    def __init__(self, client: Any, options: Options) -> None:
        self._client = client
        self._options = options

    @classmethod
    def connect(cls, options: Options) -> Self:
        """Create a client that leaves retries to this class."""
        config = Config(
            region_name=options.region, retries={"total_max_attempts": 1}, max_pool_connections=SHARDS_AT_ONCE
        )
        return cls(boto3.client("kinesis", endpoint_url=options.endpoint, config=config), options)

    def parents_per_shard(self) -> dict[str, list[str]]:
        """Return the parents of each shard whose records Kinesis still keeps."""
        parents = {}
        request = {"StreamName": self._options.stream}
        while request:
            response = self._call(self._client.list_shards, **request)
            for shard in response["Shards"]:
                named = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                parents[shard["ShardId"]] = [parent for parent in named if parent]
            request = {"NextToken": response["NextToken"]} if "NextToken" in response else {}
        return parents

    def pages(self, shard: str, position: str, size: int) -> Iterator[Page]:
        """Read a shard from a position on: a closed one until it ends, an open one for ever."""
        iterator = self._iterator(shard, position)
        while iterator:
            try:
                response = self._call(self._client.get_records, ShardIterator=iterator, Limit=size)
            except self._client.exceptions.ExpiredIteratorException:
                iterator = self._iterator(shard, position)
                continue
            iterator, records = response.get("NextShardIterator"), response["Records"]
            if position.startswith(AT_TIMESTAMP):  # which boto3 sends in whole seconds
                records = [record for record in records if _arrived(record) >= int(position.partition(":")[2]) / 1000]
            if not iterator:
                position = SHARD_END
            elif records:
                position = f"{AFTER}:{records[-1]['SequenceNumber']}"
            yield Page(records, position, is_last=response["MillisBehindLatest"] == 0)

    def data_loss(self, what: str) -> None:
        """Raise ``DataLossError`` with ``failOnDataLoss``; otherwise log a warning."""
        if self._options.fails_on_data_loss:
            raise DataLossError(f"stream {self._options.stream}: {what}")
        logger.warning("stream %s: %s; continuing without", self._options.stream, what)

    def _iterator(self, shard: str, position: str) -> str | None:
        kind, _, value = position.partition(":")
        request: dict[str, Any] = {"StreamName": self._options.stream, "ShardId": shard, "ShardIteratorType": kind}
        if kind == AT_TIMESTAMP:
            request["Timestamp"] = int(value) / 1000
        elif kind == AFTER:
            request["StartingSequenceNumber"] = value
        try:
            return str(self._call(self._client.get_shard_iterator, **request)["ShardIterator"])
        except self._client.exceptions.ResourceNotFoundException:
            self.data_loss(f"{shard} is gone")
            return None
        except self._client.exceptions.InvalidArgumentException:
            if kind == TRIM_HORIZON:
                raise
            self.data_loss(f"{shard} has no position {position}")
            return self._iterator(shard, TRIM_HORIZON)

    def _call(self, operation: Callable[..., Any], **request: Any) -> Any:
        wait = self._options.retry_seconds
        for _ in range(self._options.retries):
            try:
                return operation(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] not in THROTTLED:
                    raise
                logger.info("stream %s: throttled, retrying in %s s", self._options.stream, wait, exc_info=True)
            time.sleep(min(wait, self._options.max_retry_seconds))
            wait *= 2
        return operation(**request)


@dataclass(frozen=True)
class Range(InputPartition):
    """The part of a shard in a batch, and the file that may buffer it already."""

    shard: str
    start: str
    end: str
    buffer: Path | None


class KinesisStreamReader(DataSourceStreamReader):
    """Plans batches in one process, which lives as long as the query; reads in others."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._position: Offset | None = None  # the end of the batch planned last
        self._latest: Offset | None = None  # the end of the next batch
        self._parents: dict[str, list[str]] = {}
        self._listed_at = float("-inf")
        self._pages: dict[str, tuple[str, Iterator[Page]]] = {}  # by shard: a position, and the pages from there on
        self._buffers: dict[tuple[str, str], Path] = {}  # by start and end

    @cached_property
    def _stream(self) -> StreamClient:
        return StreamClient.connect(self._options)

    @cached_property
    def _root(self) -> Path:
        return _new_root()

    @cached_property
    def _initial(self) -> Offset:
        now = f"{AT_TIMESTAMP}:{int(time.time() * 1000)}"
        return dict.fromkeys(sorted(self._shards()), now if self._options.start == LATEST else self._options.start)

    def initialOffset(self) -> Offset:  # noqa: N802
        """Return where a query without a checkpoint starts."""
        return self._initial

    def latestOffset(self) -> Offset:  # noqa: N802
        """Return where the next batch ends."""
        if self._position is None:
            if self._options.start == LATEST:
                return self._initial  # an empty batch, which logs what `latest` was
            self._position = self._initial
        if self._latest in (None, self._position):
            self._latest = self._advance(self._position, limited=self._latest is not None)
        return self._latest

    def partitions(self, start: Offset, end: Offset) -> list[Range]:
        """Plan a batch; Spark also calls it with the same offset twice, to tell where a resumed query stands."""
        self._position = end
        buffer = self._buffers.get(_key(start, end))
        start, end = _positions(start), _positions(end)
        for shard in start.keys() - end.keys():
            if start[shard] != SHARD_END and shard not in self._shards():
                self._stream.data_loss(f"{shard} is gone, and was read only up to {start[shard]}")
        return [
            Range(shard, start.get(shard, TRIM_HORIZON), position, buffer and buffer / shard)
            for shard, position in end.items()
            if position != start.get(shard) and position.startswith((AFTER, SHARD_END))
        ]

    def read(self, partition: Range) -> Iterator[pa.RecordBatch]:  # type: ignore[override]
        """Read from the buffer if there is one, from Kinesis otherwise."""
        if partition.buffer and partition.buffer.exists():
            with pa.memory_map(str(partition.buffer)) as file, pa.ipc.open_file(file) as batches:
                yield from map(batches.get_batch, range(batches.num_record_batches))
            return
        last = math.inf if partition.end == SHARD_END else int(partition.end.partition(":")[2])
        for page in self._stream.pages(partition.shard, partition.start, self._options.read_records):
            records = [record for record in page.records if int(record["SequenceNumber"]) <= last]
            if records:
                yield self._arrow(partition.shard, records)
            if records and int(records[-1]["SequenceNumber"]) == last:
                return
            if len(records) < len(page.records) or (page.is_last and not records and last < math.inf):
                break
        if last < math.inf:
            self._stream.data_loss(f"{partition.shard} does not hold the record of {partition.end} any more")

    def commit(self, end: Offset) -> None:
        """Delete the buffers of a finished batch."""
        for key in [key for key in self._buffers if key[1:] == _key(end)]:
            shutil.rmtree(self._buffers.pop(key), ignore_errors=True)

    def stop(self) -> None:
        """Delete all buffers; where Spark 4.1 kills the process instead, the next one deletes them."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _shards(self) -> dict[str, list[str]]:
        if time.monotonic() - self._listed_at >= self._options.list_seconds:
            self._parents = self._stream.parents_per_shard()
            self._listed_at = time.monotonic()
        return self._parents

    def _advance(self, position: Offset, *, limited: bool) -> Offset:
        """Fetch from every shard whose parents are read to the end; without limits, from their children, too."""
        parents = self._shards()
        reached = {shard: position.get(shard, TRIM_HORIZON) for shard in sorted(parents)}  # without those gone
        buffer = Path(tempfile.mkdtemp(dir=self._root))
        begun: set[str] = set()
        with ThreadPoolExecutor(SHARDS_AT_ONCE) as threads:
            while ready := _ready(reached, parents) - begun:
                fetch = partial(self._fetch, buffer=buffer, limited=limited)
                ends = threads.map(fetch, ready, [reached[shard] for shard in ready])
                reached |= dict(zip(ready, ends, strict=True))
                begun |= ready
                if limited:
                    break
        if reached == _positions(position):
            buffer.rmdir()
            time.sleep(IDLE_SECONDS)
            if self._options.avoids_empty_batches:
                return position
            return {**reached, READ_AT: str(time.time_ns() // 10**6)}
        self._buffers[_key(position, reached)] = buffer
        if any(reached[shard] == SHARD_END for shard in begun):
            self._listed_at = float("-inf")  # list its children next
        return reached

    def _fetch(self, shard: str, position: str, buffer: Path, *, limited: bool) -> str:
        """Buffer a shard's records in a file; return the position after them."""
        size = min(self._options.read_records, self._options.fetch_records)
        stands_at, pages = self._pages.pop(shard, (None, iter(())))
        if stands_at != position:
            pages = self._stream.pages(shard, position, size)
        begun, count, writer = time.time(), 0, None
        with ExitStack() as opened:
            for page in pages:
                position = page.position
                if page.records:
                    if writer is None:
                        file = opened.enter_context(pa.OSFile(str(buffer / shard), "wb"))
                        writer = opened.enter_context(pa.ipc.new_file(file, ARROW_COLUMNS))
                    writer.write_batch(self._arrow(shard, page.records))
                    count += len(page.records)
                if limited:
                    is_late = time.time() - begun >= self._options.fetch_seconds
                    is_enough = page.is_last or is_late or count + size > self._options.fetch_records
                else:  # a closed shard may end only after its last records
                    is_enough = page.arrived > begun or (page.is_last and not page.records)
                if is_enough:
                    break
        self._pages[shard] = position, pages
        return position

    def _arrow(self, shard: str, records: Iterable[dict[str, Any]]) -> pa.RecordBatch:
        rows = [
            {
                "data": record["Data"],
                "streamName": self._options.stream,
                "shardId": shard,
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            }
            for record in records
        ]
        return pa.RecordBatch.from_pylist(rows, ARROW_COLUMNS)


def _positions(offset: Offset) -> Offset:
    return {shard: position for shard, position in offset.items() if shard != READ_AT}


def _ready(reached: Offset, parents: Mapping[str, list[str]]) -> set[str]:
    """Return the shards not read to the end whose parents are, or are gone."""
    ended = {shard for shard in parents if reached[shard] == SHARD_END}
    return {shard for shard in parents.keys() - ended if not (parents.keys() - ended) & set(parents[shard])}


def _key(*offsets: Offset) -> Any:
    return tuple(json.dumps(offset, sort_keys=True) for offset in offsets)


def _new_root() -> Path:
    """Create a folder for the buffers of this process; delete those of processes that are gone: Spark kills them."""
    for folder in Path(tempfile.gettempdir()).glob("kinesis-buffer-[0-9]*-*"):
        if not _is_running(int(folder.name.split("-")[2])):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"kinesis-buffer-{os.getpid()}-"))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


class KinesisDataSource(DataSource):
    """The format ``kinesis``, for ``spark.dataSource.register``."""

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self._options = Options.parse(options)

    @classmethod
    def name(cls) -> str:
        return "kinesis"

    def schema(self) -> str:
        """Return the columns of Glue's connector."""
        return COLUMNS

    def streamReader(self, schema: StructType) -> KinesisStreamReader:  # noqa: ARG002, N802
        return KinesisStreamReader(self._options)
