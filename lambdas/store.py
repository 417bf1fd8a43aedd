"""Kinesis ``sessions`` and ``page_counts`` -> DynamoDB ``live_sessions`` and ``live_page_counts``.

Reads   a batch of a shard's records, each one JSON object: ``Session`` or ``PageCount``, by the stream it comes from
Writes  one item a key, with ``expires_at`` for DynamoDB's TTL
Retry   safe: an item is set as a whole, and only over one of a lower version

A record is ``written``, ``older`` (than the item, than another in the batch, or the same again), ``malformed`` or
``failed`` (DynamoDB refused, after the SDK's own retries). The last two are reported. All others are written whether or
not one is reported: Lambda sends everything from the lowest report on again, and gives up all of it together.

Items are put one by one, since BatchWriteItem takes no condition.
"""

import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple, NewType

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_PARTITION_KEY_BYTES = 2048
MAX_INTEGER = 2**63 - 1  # DynamoDB takes 38 digits; Spark's bigint does not
WRITERS = 16  # a put takes milliseconds of waiting
ATTEMPTS = 8  # of the SDK, when DynamoDB throttles

Instant = NewType("Instant", str)
"""2024-03-17T10:15:30.123Z: as text in the order of time."""


@dataclass(frozen=True)
class Session:
    """A record of the stream ``sessions``: a session as far as it is known."""

    user_id: str
    session_number: int
    session_id: str
    session_key: str
    started_at: Instant
    ended_at: Instant  # its last event so far
    event_count: int
    is_closed: bool
    version: int  # grows whenever the session changes


@dataclass(frozen=True)
class PageCount:
    """A record of the stream ``page_counts``: a page in a window as far as it is known."""

    page: str
    window_start: Instant
    window_seconds: int
    views: int
    users: int  # distinct
    pages: int  # 1, but for the page `*`, which stands for all pages of the window
    version: int  # grows whenever the counts change


Record = Session | PageCount


@dataclass(frozen=True)
class Table:
    """Where a stream's records go."""

    name: str
    record: type[Record]
    key: tuple[str, str]
    kept: timedelta  # from the arrival of the record on


TABLES: Mapping[str, Table] = {
    "sessions": Table("live_sessions", Session, ("user_id", "session_number"), timedelta(days=7)),
    "page_counts": Table("live_page_counts", PageCount, ("page", "window_start"), timedelta(days=2)),
}


class Arrived(NamedTuple):
    """A record, its place in the shard, and when its item expires."""

    sequence_number: str
    record: Record
    expires_at: int  # Unix s


class MalformedError(ValueError):
    """The bytes are not what the stream carries."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Answer Lambda."""
    stream = event["Records"][0]["eventSourceARN"].rpartition("/")[2]
    return store(event["Records"], TABLES[stream], _dynamodb())


def store(records: list[dict[str, Any]], table: Table, dynamodb: Any) -> dict[str, Any]:
    """Write the newest record of every key, and report the records that have to come again."""
    counts = Counter(records=len(records))
    failures: list[str] = []
    newest: dict[tuple[Any, ...], Arrived] = {}
    for raw in records:
        try:
            arrived = _arrived(raw["kinesis"], table)
        except MalformedError as error:
            print(json.dumps({"function": "store", "record": raw["eventID"], "error": str(error)}))
            counts["malformed"] += 1
            failures.append(raw["kinesis"]["sequenceNumber"])
            continue
        key = tuple(getattr(arrived.record, name) for name in table.key)
        if key in newest:
            counts["older"] += 1
        if key not in newest or arrived.record.version > newest[key].record.version:
            newest[key] = arrived
    with ThreadPoolExecutor(WRITERS) as writers:
        outcomes = list(writers.map(partial(_put, table=table, dynamodb=dynamodb), newest.values()))
    counts.update(outcomes)
    failures += [
        arrived.sequence_number
        for arrived, outcome in zip(newest.values(), outcomes, strict=True)
        if outcome == "failed"
    ]
    print(json.dumps({"function": "store", "table": table.name, **counts}))
    return {"batchItemFailures": [{"itemIdentifier": sequence_number} for sequence_number in failures]}


def read(data: bytes, kind: type[Record]) -> Record:
    """Read a record; fields that it has besides are left out."""
    try:
        sent = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from error
    if not isinstance(sent, dict):
        raise MalformedError("not a JSON object")
    for field in fields(kind):
        if not CHECKS[field.type](sent.get(field.name)):
            raise MalformedError(f"{field.name} is missing or wrong")
    return kind(**{field.name: sent[field.name] for field in fields(kind)})


def item(record: Record, expires_at: int) -> dict[str, dict[str, Any]]:
    """Write it as DynamoDB's API does."""
    return {name: _attribute(value) for name, value in {**asdict(record), "expires_at": expires_at}.items()}


def _arrived(sent: dict[str, Any], table: Table) -> Arrived:
    try:
        data = b64decode(sent["data"], validate=True)
    except ValueError as error:
        raise MalformedError(f"not base64: {error}") from error
    expires_at = int(sent["approximateArrivalTimestamp"] + table.kept.total_seconds())
    return Arrived(sent["sequenceNumber"], read(data, table.record), expires_at)


def _put(arrived: Arrived, table: Table, dynamodb: Any) -> str:
    """Set the item unless its version is reached already; say what became of the record."""
    try:
        dynamodb.put_item(
            TableName=table.name,
            Item=item(arrived.record, arrived.expires_at),
            ConditionExpression="attribute_not_exists(#version) or #version < :version",
            ExpressionAttributeNames={"#version": "version"},
            ExpressionAttributeValues={":version": _attribute(arrived.record.version)},
        )
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return "older"
        print(json.dumps({"function": "store", "record": arrived.sequence_number, "error": str(error)}))
        return "failed"
    return "written"


def _attribute(value: str | int | bool) -> dict[str, Any]:  # noqa: FBT001
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _is_text(value: object) -> bool:
    """Whether DynamoDB takes it, for a key too."""
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= MAX_PARTITION_KEY_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _is_instant(value: object) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value, re.ASCII):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


CHECKS: Mapping[Any, Callable[[object], bool]] = {
    str: _is_text,
    Instant: _is_instant,
    int: _is_count,
    bool: lambda value: isinstance(value, bool),
}


def client() -> Any:
    """Make one that asks again, ever later, where DynamoDB throttles."""
    retries = {"mode": "standard", "max_attempts": ATTEMPTS}
    return boto3.client("dynamodb", config=Config(retries=retries, max_pool_connections=WRITERS))


_dynamodb = cache(client)
