"""Kinesis for moto's server: ``install()`` replaces the data operations of moto's own, which still serves the others.

moto 5.2 loses acknowledged records when threads put concurrently, scans the whole shard for every put and get, keeps
writing to shards that were split, moves records from parents to children and never ends a closed shard. Here a shard is
an append-only log and a reader's position is an index into it. One lock per stream orders puts, reads and reshards.
"""

# ruff: noqa: SLF001  # `_get_param` is how moto's own handlers read a request

import itertools
import json
import threading
import time
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from operator import attrgetter
from typing import Any, Self

from moto.core.exceptions import JsonRESTError
from moto.kinesis import models
from moto.kinesis.exceptions import (
    InvalidArgumentError,
    RecordSizeExceedsLimit,
    ResourceNotFoundError,
    TooManyRecords,
    TotalRecordsSizeExceedsLimit,
)
from moto.kinesis.responses import KinesisResponse

from local.aws.patches import patch

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html and the pages of the operations.
# AWS has since raised those of puts to 10 MiB a request (and a record, where the stream allows): ours are the stricter.
MAX_PARTITION_KEY_CHARACTERS = 256
MAX_RECORD_BYTES = 2**20
MAX_PUT_RECORDS = 500
MAX_PUT_BYTES = 5 * 2**20
MAX_GET_RECORDS = 10_000
MAX_GET_BYTES = 10 * 2**20
MAX_LISTED_SHARDS = 1_000
ITERATOR_LIFE_MS = 5 * 60 * 1000

# As long as AWS's; they increase across all shards, and from one server to the next.
_sequence_numbers = itertools.count(49 * 10**54 + time.time_ns() * 10**30)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as put; ``data`` stays in base64, as requests and responses have it."""

    sequence_number: int
    arrived_ms: int
    partition_key: str
    data: str
    size: int

    def to_json(self) -> dict[str, object]:
        """Return it as in the response of GetRecords."""
        return {
            "SequenceNumber": str(self.sequence_number),
            "ApproximateArrivalTimestamp": self.arrived_ms / 1000,
            "PartitionKey": self.partition_key,
            "Data": self.data,
        }


@dataclass(frozen=True, slots=True)
class ShardIterator:
    """A position in a shard, which readers pass back as text."""

    stream: str
    shard: str
    position: int
    issued_ms: int

    @classmethod
    def decode(cls, text: str) -> Self:
        """Parse the text, or raise Kinesis's error."""
        try:
            stream, shard, position, issued_ms = _decode(text, "ShardIterator").split(":")
            return cls(stream, shard, int(position), int(issued_ms))
        except ValueError:
            raise InvalidArgumentError("Invalid ShardIterator.") from None

    def encode(self) -> str:
        return _encode(f"{self.stream}:{self.shard}:{self.position}:{self.issued_ms}")


class LogShard(models.Shard):
    """A shard as an append-only log."""

    def __init__(
        self,
        shard_id: int,
        starting_hash: int,
        ending_hash: int,
        parent: str | None = None,
        adjacent_parent: str | None = None,
    ) -> None:
        super().__init__(shard_id, starting_hash, ending_hash, parent, adjacent_parent)
        self.number = shard_id
        self.log: list[StoredRecord] = []
        self.starting_sequence_number = next(_sequence_numbers)
        self.ending_sequence_number: int | None = None

    def append(self, partition_key: str, data: str, size: int) -> int:
        """Append a record and return its sequence number."""
        arrived_ms = max(_now_ms(), self.log[-1].arrived_ms if self.log else 0)  # clocks step back; a log does not
        record = StoredRecord(next(_sequence_numbers), arrived_ms, partition_key, data, size)
        self.log.append(record)
        return record.sequence_number

    def close(self) -> None:
        """End the log: from now on its hash keys belong to its children."""
        self.is_open = False
        self.ending_sequence_number = next(_sequence_numbers)

    def position(self, kind: str, sequence_number: str | None, timestamp: float | None) -> int:
        """Return the position where an iterator of this type starts."""
        match kind:
            case "TRIM_HORIZON":
                return 0
            case "LATEST":
                return len(self.log)
            case "AT_SEQUENCE_NUMBER":
                return bisect_left(self.log, self._own(sequence_number), key=attrgetter("sequence_number"))
            case "AFTER_SEQUENCE_NUMBER":
                return bisect_right(self.log, self._own(sequence_number), key=attrgetter("sequence_number"))
            case "AT_TIMESTAMP":
                return bisect_left(self.log, _past_ms(timestamp), key=attrgetter("arrived_ms"))
            case _:
                raise InvalidArgumentError(f"Invalid ShardIteratorType: {kind}")

    def read(self, position: int, limit: int) -> list[StoredRecord]:
        """Return as many records as one GetRecords may."""
        records = self.log[position : position + limit]
        sizes = itertools.accumulate(record.size for record in records)
        fitting = sum(1 for _ in itertools.takewhile(lambda size: size <= MAX_GET_BYTES, sizes))
        return records[:fitting]

    def to_json(self) -> dict[str, Any]:
        """Return it as in the response of ListShards."""
        numbers = {"StartingSequenceNumber": str(self.starting_sequence_number)}
        if self.ending_sequence_number is not None:
            numbers["EndingSequenceNumber"] = str(self.ending_sequence_number)
        return super().to_json() | {"SequenceNumberRange": numbers}

    def _own(self, sequence_number: str | None) -> int:
        """Parse a sequence number of this shard, or raise Kinesis's error."""
        newest = self.log[-1].sequence_number if self.log else self.starting_sequence_number
        last = self.ending_sequence_number or newest
        if sequence_number is None or not sequence_number.isdecimal():
            raise InvalidArgumentError(f"Invalid StartingSequenceNumber: {sequence_number}")
        if not self.starting_sequence_number <= int(sequence_number) <= last:
            raise InvalidArgumentError(f"StartingSequenceNumber {sequence_number} is not in {self.shard_id}.")
        return int(sequence_number)


class LogStream(models.Stream):
    """A stream's shards; the open ones cover all hash keys between them."""

    shards: dict[str, LogShard]  # type: ignore[assignment]  # moto creates ours once installed

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.lock = threading.RLock()
        super().__init__(*arguments, **named)

    def put_record(self, partition_key: str, explicit_hash_key: str, data: str) -> tuple[str, str]:
        """Append to the shard of the hash key; return sequence number and shard."""
        hash_key = _hash_key(partition_key, explicit_hash_key)
        size = _size(partition_key, data)
        with self.lock:
            shard = next(shard for shard in self._open_shards() if shard.starting_hash <= hash_key <= shard.ending_hash)
            return str(shard.append(partition_key, data, size)), shard.shard_id

    def get_records(self, iterator: ShardIterator, limit: int) -> dict[str, object]:
        """Return the response of one GetRecords."""
        with self.lock:
            shard = self.shards[iterator.shard]
            records = shard.read(iterator.position, limit)
            position = iterator.position + len(records)
            is_at_tip = position >= len(shard.log)
            response: dict[str, object] = {
                "Records": [record.to_json() for record in records],
                "MillisBehindLatest": 0 if is_at_tip else _now_ms() - records[-1].arrived_ms,
            }
            if is_at_tip and not shard.is_open:
                response["ChildShards"] = [
                    _as_child(child) for child in self.shards.values() if _is_child(child, shard)
                ]
            else:
                response["NextShardIterator"] = ShardIterator(
                    self.stream_name, shard.shard_id, position, _now_ms()
                ).encode()
            return response

    def split_shard(self, shard_to_split: str, new_starting_hash_key: str) -> None:
        """Close a shard and open two children."""
        start = int(new_starting_hash_key)
        with self.lock:
            parent = self._open_shard(shard_to_split)
            if not parent.starting_hash < start <= parent.ending_hash:
                raise InvalidArgumentError(f"NewStartingHashKey {start} does not split {shard_to_split}.")
            self._replace([parent], [(parent.starting_hash, start - 1), (start, parent.ending_hash)])

    def merge_shards(self, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
        """Close two adjacent shards and open one child."""
        with self.lock:
            parents = [self._open_shard(shard_to_merge), self._open_shard(adjacent_shard_to_merge)]
            lower, upper = sorted(parents, key=attrgetter("starting_hash"))
            if lower.ending_hash + 1 != upper.starting_hash:
                raise InvalidArgumentError(f"{shard_to_merge} and {adjacent_shard_to_merge} are not adjacent.")
            self._replace(parents, [(lower.starting_hash, upper.ending_hash)])

    def update_shard_count(self, target_shard_count: int) -> None:
        """Split and merge as moto does, but let no put come between."""
        with self.lock:
            super().update_shard_count(target_shard_count)

    def _replace(self, parents: Sequence[LogShard], ranges: Sequence[tuple[int, int]]) -> None:
        next_number = max(shard.number for shard in self.shards.values()) + 1
        parent_ids = [parent.shard_id for parent in parents]
        children = [LogShard(number, *keys, *parent_ids) for number, keys in enumerate(ranges, next_number)]
        for parent in parents:
            parent.close()
        # A new dictionary: concurrent ListShards see all children or none.
        self.shards = self.shards | {child.shard_id: child for child in children}
        self.shard_count = len(self._open_shards())

    def _open_shards(self) -> list[LogShard]:
        return [shard for shard in self.shards.values() if shard.is_open]

    def _open_shard(self, shard_id: str) -> LogShard:
        shard = self.shards[shard_id]
        if not shard.is_open:
            raise InvalidArgumentError(f"{shard_id} in stream {self.stream_name} has already been merged or split.")
        return shard


def install() -> None:
    """Replace moto's classes and operations."""
    models.Shard, models.Stream = LogShard, LogStream  # type: ignore[misc]
    operations = (list_shards, get_shard_iterator, get_records, put_record, put_records)
    patch(KinesisResponse, **{operation.__name__: operation for operation in operations})


def list_shards(request: KinesisResponse) -> str:
    """Handle ListShards, with pages."""
    if request._get_param("ShardFilter"):
        raise InvalidArgumentError("The local Kinesis has no ShardFilter.")
    token, after = request._get_param("NextToken"), request._get_param("ExclusiveStartShardId", "")
    if token and (after or request._get_param("StreamName")):
        raise InvalidArgumentError("NextToken names the stream and the shard by itself.")
    if token:
        name, _, after = _decode(token, "NextToken").partition(":")
        stream = _stream(request, name)
    else:
        stream = _stream(request)
    limit = min(request._get_param("MaxResults", MAX_LISTED_SHARDS), MAX_LISTED_SHARDS)
    following = sorted(shard_id for shard_id in stream.shards if shard_id > after)
    response: dict[str, object] = {"Shards": [stream.shards[shard_id].to_json() for shard_id in following[:limit]]}
    if len(following) > limit:
        response["NextToken"] = _encode(f"{stream.stream_name}:{following[limit - 1]}")
    return json.dumps(response)


def get_shard_iterator(request: KinesisResponse) -> str:
    """Handle GetShardIterator."""
    stream, shard_id = _stream(request), request._get_param("ShardId")
    if shard_id not in stream.shards:
        raise ResourceNotFoundError(f"Shard {shard_id} in stream {stream.stream_name} does not exist.")
    position = stream.shards[shard_id].position(
        request._get_param("ShardIteratorType"),
        request._get_param("StartingSequenceNumber"),
        request._get_param("Timestamp"),
    )
    return json.dumps({"ShardIterator": ShardIterator(stream.stream_name, shard_id, position, _now_ms()).encode()})


def get_records(request: KinesisResponse) -> str:
    """Handle GetRecords; JSON is written here because moto's serializer takes longer than all the rest."""
    iterator = ShardIterator.decode(request._get_param("ShardIterator"))
    age_ms = _now_ms() - iterator.issued_ms
    if age_ms > ITERATOR_LIFE_MS:
        message = f"Iterator expired: it was given {age_ms} ms ago and lives for {ITERATOR_LIFE_MS} ms."
        raise JsonRESTError("ExpiredIteratorException", message)
    limit = request._get_param("Limit", MAX_GET_RECORDS)
    if not 1 <= limit <= MAX_GET_RECORDS:
        raise InvalidArgumentError(f"Limit {limit} is not between 1 and {MAX_GET_RECORDS}.")
    return json.dumps(_stream(request, iterator.stream).get_records(iterator, limit))


def put_record(request: KinesisResponse) -> str:
    """Handle PutRecord."""
    sequence_number, shard_id = _stream(request).put_record(
        request._get_param("PartitionKey"), request._get_param("ExplicitHashKey", ""), request._get_param("Data")
    )
    return json.dumps({"SequenceNumber": sequence_number, "ShardId": shard_id})


def put_records(request: KinesisResponse) -> str:
    """Handle PutRecords: write all records, or none and raise Kinesis's error."""
    stream, records = _stream(request), request._get_param("Records")
    if len(records) > MAX_PUT_RECORDS:
        raise TooManyRecords
    puts = [(record["PartitionKey"], record.get("ExplicitHashKey", ""), record["Data"]) for record in records]
    total = 0
    for place, (partition_key, explicit_hash_key, data) in enumerate(puts, 1):
        _hash_key(partition_key, explicit_hash_key)
        total += _size(partition_key, data, place)
    if total > MAX_PUT_BYTES:
        raise TotalRecordsSizeExceedsLimit
    written = [stream.put_record(*put) for put in puts]
    results = [{"SequenceNumber": sequence_number, "ShardId": shard_id} for sequence_number, shard_id in written]
    return json.dumps({"FailedRecordCount": 0, "Records": results})


def _stream(request: KinesisResponse, name: str | None = None) -> LogStream:
    """Return the stream of that name, or else the one that the request names."""
    arn = None if name else request._get_param("StreamARN")
    return request.kinesis_backend.describe_stream(arn, name or request._get_param("StreamName"))  # type: ignore[return-value]


def _encode(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _decode(text: str, what: str) -> str:
    try:
        return urlsafe_b64decode(text).decode()
    except ValueError:
        raise InvalidArgumentError(f"Invalid {what}.") from None


def _hash_key(partition_key: str, explicit_hash_key: str) -> int:
    if not 1 <= len(partition_key) <= MAX_PARTITION_KEY_CHARACTERS:
        raise InvalidArgumentError(f"A partition key has 1 to {MAX_PARTITION_KEY_CHARACTERS} characters.")
    if not explicit_hash_key:
        return int(md5(partition_key.encode(), usedforsecurity=False).hexdigest(), 16)
    if not explicit_hash_key.isdecimal() or int(explicit_hash_key) >= 2**128:
        raise InvalidArgumentError(f"Invalid ExplicitHashKey: {explicit_hash_key}")
    return int(explicit_hash_key)


def _size(partition_key: str, data: str, place: int = 1) -> int:
    size = len(b64decode(data)) + len(partition_key.encode())
    if size > MAX_RECORD_BYTES:
        raise RecordSizeExceedsLimit(place)
    return size


def _past_ms(timestamp: float | None) -> int:
    if timestamp is None or timestamp * 1000 > _now_ms():
        raise InvalidArgumentError(f"Timestamp {timestamp} is not in the past.")
    return round(timestamp * 1000)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _is_child(child: LogShard, parent: LogShard) -> bool:
    return parent.shard_id in (child.parent, child.adjacent_parent)


def _as_child(child: LogShard) -> dict[str, object]:
    parents = [parent for parent in (child.parent, child.adjacent_parent) if parent]
    return {"ShardId": child.shard_id, "ParentShards": parents, "HashKeyRange": child.to_json()["HashKeyRange"]}
