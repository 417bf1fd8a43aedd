"""Read an archive and validate its lines by the contracts, independently of the simulator."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(2100, 1, 1, tzinfo=UTC)
TIME_TEXT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True)
class Line:
    hour: datetime  # of the arrival folder
    text: bytes


@dataclass(frozen=True)
class Row:
    key: Any  # of no other distinct row
    time: datetime | None
    who: str


def read(archive: Path) -> Iterator[Line]:
    for path in sorted(archive.glob("arrived=*/*/part-*")):
        hour = datetime.strptime(f"{path.parts[-3]}/{path.parts[-2]}", "arrived=%Y-%m-%d/%H").replace(tzinfo=UTC)
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert text.endswith(b"\n")
        yield from (Line(hour, line) for line in text[:-1].split(b"\n"))


def accept(format_name: str, text: bytes) -> Row | None:
    """Return the row of a good line, or None."""
    try:
        line = text.decode()
        return accept_page(line) if format_name == "page_transitions" else ACCEPT[format_name](json_object(line))
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return None


def json_object(line: str) -> dict[str, Any]:
    fields = json.loads(line, parse_constant=float.fromhex)  # raises on NaN and the like, which are not JSON
    if not isinstance(fields, dict):
        raise TypeError
    return fields


def accept_event(event: dict[str, Any]) -> Row:
    event_type = text_of(event["event_name"]).split(":")[0]
    if not re.fullmatch("[a-z0-9_]{1,64}", event_type):
        raise ValueError(event_type)
    time = unix_time(event["created_at"])
    uuid = text_of(event["event_uuid"])
    if not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid):
        raise ValueError(uuid)
    return Row((uuid, round(time.timestamp() * 1000)), time, event.get("user_id") or "")


def accept_click(click: dict[str, Any]) -> Row:
    if set(click) != {"user_id", "event_timestamp", "event_name", "event_type", "device_type"}:
        raise KeyError
    time = text_time(click["event_timestamp"])
    return Row((text_of(click["user_id"]), time), time, click["user_id"])


def accept_app_click(click: dict[str, Any]) -> Row:
    if set(click) != {"user_id", "device_id", "client_event", "client_timestamp", "countrycode"}:
        raise KeyError
    time = text_time(click["client_timestamp"])
    return Row((text_of(click["user_id"]), time), time, click["user_id"])


def accept_visit(visit: dict[str, Any]) -> Row:
    fields = "user_id session_id event_time event_type page_url referrer_url device_type browser ip geo"
    if set(visit) - {"user_agent"} != set(fields.split()) or set(visit["geo"]) != {"country", "city"}:
        raise KeyError
    as_sent = visit["event_time"]
    time = text_time(as_sent) if isinstance(as_sent, str) else unix_time(as_sent)
    return Row((text_of(visit["user_id"]), time), time, visit["user_id"])


def accept_page(line: str) -> Row:
    prev, curr, kind, n = line.split("\t")
    if not prev or not curr or kind not in {"link", "external", "other"} or not re.fullmatch(r"\d{1,18}", n):
        raise ValueError(line)
    return Row((prev, curr), None, curr)


ACCEPT = {"events": accept_event, "clicks": accept_click, "app_clicks": accept_app_click, "visits": accept_visit}


def text_of(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def unix_time(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = Decimal(str(value))
    unit = 1 if abs(number) < 10**11 else 10**3 if abs(number) < 10**14 else 10**6
    return in_range(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(number * 1000 // unit)))


def text_time(value: object) -> datetime:
    text = text_of(value)
    if not TIME_TEXT.fullmatch(text):
        raise ValueError(text)
    time = datetime.fromisoformat(text)
    return in_range(time if time.tzinfo else time.replace(tzinfo=UTC))


def in_range(time: datetime) -> datetime:
    if not FIRST_TIME <= time < LAST_TIME:
        raise ValueError(time)
    return time
