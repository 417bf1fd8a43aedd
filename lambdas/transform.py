"""Firehose transformations: ``page_transitions`` makes CSV of page views, ``events`` makes lines for the raw archive.

The result of a record is

Ok                of ``events`` whatever it is, one line (``archive_lines``); of ``page_transitions`` at least one good
                  line
Dropped           of ``page_transitions``: nothing but white space
ProcessingFailed  not base64, no room in the response, or of ``page_transitions`` no good line: Firehose keeps the
                  record as sent below its error prefix

``events`` judges nothing: ``events_batch`` quarantines what is no event with its reasons, as ``events_stream`` does,
and ``replay`` can bring it back; jobs read nothing below an error prefix. The partition keys are the arrival's, for the
prefix

    raw/events/arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/

``page_transitions`` takes what ``page_views_stream`` takes: page transitions as TSV or CSV, and views in JSON, each a
row (referrer_url or other-empty, page_url, event_type or view, 1). A row has no time, so the rules about times are the
job's alone. Bad lines are skipped and counted; the job has them in quarantine. Lines of both end in a line feed.

Room: a response of more than 6 MB would fail all its records. ``events`` adds at most a third (line feeds, in base64),
and CSV at most doubles a record (a title of nothing but quotes), so with Firehose's default buffer hint of 1 MB the
data takes less than 3 MB in base64. A larger hint, or records of a few bytes with larger envelopes, may fill the
response.
"""

import csv
import io
import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from clickstream.transforms import texts, transitions
from lambdas import archive_lines, json_lines

# 6 MB, of which AWS's own samples use as much: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESPONSE_BYTES = 6_000_000
ENVELOPE_BYTES = 160  # the most that a record's result takes beside its id and data
HOUR_MS = 3_600_000

_VIEW, _CSV, _NUMBER = (re.compile(pattern) for pattern in (transitions.VIEW, transitions.CSV, transitions.NUMBER))
_NO_TEXT = re.compile(rf"{texts.CONTROL_CHARACTER}|[\ud800-\udfff]")  # half of a surrogate pair has no bytes


Row = tuple[str, str, str, int]
Result = dict[str, Any]


class Converted(NamedTuple):
    """A record's output, and the number of its good and its malformed lines."""

    text: bytes
    lines: int
    malformed: int


def page_transitions(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Transform page transitions and views into CSV."""
    return _transform("page_transitions", event, to_csv, with_keys=False)


def events(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Pass records on to the raw archive, with the arrival as partition keys."""
    return _transform("events", event, to_archive, with_keys=True)


def to_csv(data: bytes) -> Converted:
    """Write the columns of page transitions by RFC 4180, but end lines in a line feed."""
    lines = json_lines.split(data)
    rows = [row for row in map(_row, lines) if row]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return Converted(text.getvalue().encode(), len(rows), len(lines) - len(rows))


def _row(line: bytes) -> Row | None:
    """Judge a line as ``transforms.page_views`` does."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    columns = _of_view(text) if _VIEW.match(text) else _of_transition(text)
    if columns is None:
        return None
    prev, page, kind, n = columns
    if not (_is_text(prev) and _is_text(page) and _is_text(kind) and _NUMBER.fullmatch(n)):
        return None
    if page == transitions.ALL_PAGES or len(page.encode()) > transitions.LONGEST_PAGE:
        return None
    digits = n.lstrip("0")
    if len(digits) > len(str(transitions.MOST_VIEWS)) or not 1 <= int(digits or 0) <= transitions.MOST_VIEWS:
        return None
    return prev, page, kind, int(digits)


def _of_transition(text: str) -> list[str] | None:
    columns = text.split("\t")
    if len(columns) != len(transitions.COLUMNS):
        found = _CSV.fullmatch(text)
        if found is None:
            return None
        columns = [column[1:-1].replace('""', '"') if column[:1] == '"' else column for column in found.groups()]
    return [column.strip(texts.WHITE_SPACE) for column in columns]


def _of_view(text: str) -> list[str] | None:
    view = json_lines.read_object(text)
    if view is None or not _is_id(view.get("user_id", "")):
        return None
    named = {name: value.strip(texts.WHITE_SPACE) for name, value in view.items() if isinstance(value, str)}
    prev, kind = (named.get(name, "") for name in ("referrer_url", "event_type"))
    return [
        prev if _is_text(prev) else "other-empty",
        named.get("page_url", ""),
        kind if _is_text(kind) else "view",
        "1",
    ]


def _is_id(value: Any) -> bool:
    """Whether it is an id, or none: ``transforms.fields`` has the rule."""
    text = str(value).strip(texts.WHITE_SPACE)
    is_kind = isinstance(value, str | Decimal)
    return is_kind and not _NO_TEXT.search(text) and len(text.encode()) <= texts.LONGEST_USER_ID


def _is_text(column: str) -> bool:
    return bool(column) and not _NO_TEXT.search(column)


def to_archive(data: bytes) -> Converted:
    """Keep a record, whatever it is."""
    return Converted(archive_lines.line(data) + b"\n", lines=1, malformed=0)


def _transform(
    name: str, event: dict[str, Any], convert: Callable[[bytes], Converted], *, with_keys: bool
) -> dict[str, Any]:
    """Return one result per id: Firehose fails a record whose result is missing or comes twice."""
    records: dict[str, dict[str, Any]] = {}
    for record in event["records"]:
        records.setdefault(record["recordId"], record)
    counts = Counter(records=len(event["records"]), repeated_ids=len(event["records"]) - len(records))
    room = MAX_RESPONSE_BYTES - sum(ENVELOPE_BYTES + len(record_id) for record_id in records)
    results = []
    for record_id, record in records.items():
        result = _result(record, convert, counts)
        room -= len(result.get("data", ""))
        if room < 0:
            room += len(result["data"])
            counts["without_room"] += 1
            result = {"recordId": record_id, "result": "ProcessingFailed"}
        elif with_keys and result["result"] == "Ok":
            result["metadata"] = {"partitionKeys": _arrival(record["approximateArrivalTimestamp"] // HOUR_MS)}
        counts[result["result"]] += 1
        results.append(result)
    print(json.dumps({"function": name, **counts}))
    return {"records": results}


def _result(record: dict[str, Any], convert: Callable[[bytes], Converted], counts: Counter[str]) -> Result:
    try:
        converted = convert(b64decode(record["data"], validate=True))
    except ValueError:
        counts["unreadable"] += 1
        return {"recordId": record["recordId"], "result": "ProcessingFailed"}
    counts.update(lines=converted.lines, malformed=converted.malformed)
    if converted.text:
        return {"recordId": record["recordId"], "result": "Ok", "data": b64encode(converted.text).decode()}
    return {"recordId": record["recordId"], "result": "ProcessingFailed" if converted.malformed else "Dropped"}


@lru_cache(maxsize=24)
def _arrival(hours: int) -> dict[str, str]:
    arrived = datetime.fromtimestamp(hours * 3600, UTC)
    return {"arrived_date": f"{arrived:%Y-%m-%d}", "arrived_hour": f"{arrived:%H}"}
