"""Kinesis ``sessions`` and ``page_counts`` -> DynamoDB ``live_sessions`` and ``live_page_counts``.

Reads   a batch of a shard's records, each one JSON object: ``Session`` or ``PageCount``, by the stream it comes from
Writes  one item a key, with ``expires_at`` for DynamoDB's TTL
Retry   safe: an item is set as a whole, and only over one of a lower version

A record is ``written``, ``older`` (than the item or another record of the batch, or the same again), ``malformed``,
``failed`` (DynamoDB did not take it, after the SDK's own retries) or ``out_of_time`` (not tried: a put that nothing
answers might have outlasted the function). The last three are reported; all others are written nevertheless, because
Lambda retries everything from the lowest reported record on, and finally sends all of it to the dead-letter queue.

Items are put one by one, since BatchWriteItem takes no condition. An item expires a number of days after its record
arrived: set SESSIONS_TTL_DAYS (7) and PAGE_COUNTS_TTL_DAYS (2) in the function's environment.
"""

import json
import os
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, NewType

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.limits import CallLimits, Context
from lambdas.streams import stream_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_PARTITION_KEY_BYTES = 2048
MAX_INTEGER = 2**63 - 1  # DynamoDB takes 38 digits; Spark's bigint does not
WRITERS = 16  # a put takes milliseconds of waiting
PUT = CallLimits(connect_seconds=1, read_seconds=2, attempts=4)
REPORTED = {"failed", "out_of_time"}

Instant = NewType("Instant", str)
"""2024-03-17T10:15:30.123Z, so that texts sort by time."""


@dataclass(frozen=True)
class Session:
    """A record of the stream ``sessions``: the state of a session."""

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
    """A record of the stream ``page_counts``: the counts of a page in a window."""

    page: str
    window_start: Instant
    window_seconds: int
    views: int
    users: int  # distinct
    pages: int  # 1; for the page `*`, the number of pages in the window
    version: int  # grows whenever the counts change

    @property
    def window_key(self) -> str:
        """The window by its length and start, such as 60#2024-03-17T10:15:00.000Z: sorts by time within a length."""
        return f"{self.window_seconds}#{self.window_start}"


LiveState = Session | PageCount


@dataclass(frozen=True)
class TargetTable:
    """The table of DynamoDB that a stream's records are written to."""

    name: str
    kind: type[LiveState]
    key: tuple[str, str]  # attributes of the kind
    ttl_variable: str  # of the function's environment, in days
    default_ttl_days: int

    @property
    def ttl(self) -> timedelta:
        """The time from a record's arrival until its item expires."""
        return timedelta(days=int(os.environ.get(self.ttl_variable, self.default_ttl_days)))


TABLES: Mapping[str, TargetTable] = {  # by stream
    "sessions": TargetTable("live_sessions", Session, ("user_id", "session_number"), "SESSIONS_TTL_DAYS", 7),
    "page_counts": TargetTable("live_page_counts", PageCount, ("page", "window_key"), "PAGE_COUNTS_TTL_DAYS", 2),
}


class Arrived(NamedTuple):
    """A record's content, its place in the shard, and when its item expires."""

    sequence_number: str
    state: LiveState
    expires_at: int  # Unix s


class MalformedError(ValueError):
    """The bytes are not a record of the stream."""


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Store a batch, as Lambda's event source mapping calls it."""
    table = TABLES[stream_of(event["Records"][0]["eventSourceARN"])]
    return store(event["Records"], table, _dynamodb(), lambda: PUT.fit(context))


def store(
    records: list[dict[str, Any]],
    table: TargetTable,
    dynamodb: "DynamoDBClient",
    has_time: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Write the newest record of every key; return the records to retry, as ReportBatchItemFailures has it.

    ``has_time`` says whether a put that begins now would end in time.
    """
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
        key = tuple(key_of(arrived.state, table).values())
        if key in newest:
            counts["older"] += 1
        if key not in newest or arrived.state.version > newest[key].state.version:
            newest[key] = arrived
    with ThreadPoolExecutor(WRITERS) as writers:
        outcomes = list(writers.map(partial(_put, table=table, dynamodb=dynamodb, has_time=has_time), newest.values()))
    counts.update(outcomes)
    failures += [
        arrived.sequence_number
        for arrived, outcome in zip(newest.values(), outcomes, strict=True)
        if outcome in REPORTED
    ]
    print(json.dumps({"function": "store", "table": table.name, **counts}))
    return {"batchItemFailures": [{"itemIdentifier": sequence_number} for sequence_number in failures]}


def read(data: bytes, kind: type[LiveState]) -> LiveState:
    """Parse and check a record; unknown fields are ignored."""
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


def key_of(state: LiveState, table: TargetTable) -> dict[str, Any]:
    """Return the attributes that tell a table's items apart."""
    return {name: getattr(state, name) for name in table.key}


def item(state: LiveState, table: TargetTable, expires_at: int) -> dict[str, dict[str, Any]]:
    """Return the item as DynamoDB's API has it."""
    values = {**asdict(state), **key_of(state, table), "expires_at": expires_at}
    return {name: _attribute(value) for name, value in values.items()}


def _arrived(sent: dict[str, Any], table: TargetTable) -> Arrived:
    try:
        data = b64decode(sent["data"], validate=True)
    except ValueError as error:
        raise MalformedError(f"not base64: {error}") from error
    expires_at = int(sent["approximateArrivalTimestamp"] + table.ttl.total_seconds())
    return Arrived(sent["sequenceNumber"], read(data, table.kind), expires_at)


def _put(arrived: Arrived, table: TargetTable, dynamodb: "DynamoDBClient", has_time: Callable[[], bool]) -> str:
    """Set the item unless the table holds this version or a newer one; return what the record is counted as."""
    if not has_time():
        return "out_of_time"
    try:
        dynamodb.put_item(
            TableName=table.name,
            Item=item(arrived.state, table, arrived.expires_at),
            ConditionExpression="attribute_not_exists(#version) or #version < :version",
            ExpressionAttributeNames={"#version": "version"},
            ExpressionAttributeValues={":version": _attribute(arrived.state.version)},
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
    """Whether it is a text that fits even a key of DynamoDB."""
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


def client() -> "DynamoDBClient":
    """Return a client that retries with backoff while DynamoDB throttles."""
    return boto3.client("dynamodb", config=PUT.config(max_pool_connections=WRITERS))


_dynamodb = cache(client)
