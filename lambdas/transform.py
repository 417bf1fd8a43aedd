"""Firehose transformations: ``page_transitions`` makes CSV of TSV, ``events`` makes lines for the raw archive.

The result of a record is

Ok                at least one good line
Dropped           nothing but white space
ProcessingFailed  no good line, not base64, or no room in the response: Firehose keeps the record as sent below its
                  error prefix

A line of ``events`` is good if it is a JSON object; the job validates the rest. A bad line stays in a record that holds
a good one, so that ``events_batch`` quarantines it with its reasons and ``replay`` can bring it back; jobs read nothing
below an error prefix. The partition keys are the arrival's, for the prefix

    raw/events/arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/

``page_transitions`` skips bad lines and counts them. Lines of both end in a line feed.

Room: a response of more than 6 MB would fail all its records. ``events`` adds a byte a record, and CSV at most doubles
it (a title of nothing but quotes), so with Firehose's default buffer hint of 1 MB the data takes less than 3 MB in
base64. A larger hint, or records of a few bytes with larger envelopes, may fill the response.
"""

import csv
import io
import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from lambdas import json_lines

# 6 MB, of which AWS's own samples use as much: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESPONSE_BYTES = 6_000_000
ENVELOPE_BYTES = 160  # the most that a record's result takes beside its id and data
HOUR_MS = 3_600_000

# prev, curr, type, n. No control characters, so that a line stays one line in CSV.
_TRANSITION = re.compile(r"([^\x00-\x1f]+)\t([^\x00-\x1f]+)\t([^\x00-\x1f]+)\t([0-9]{1,18})")

Result = dict[str, Any]


class Converted(NamedTuple):
    """A record's output, and the number of its good and its malformed lines."""

    text: bytes
    lines: int
    malformed: int


def page_transitions(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Transform TSV into CSV."""
    return _transform("page_transitions", event, to_csv, with_keys=False)


def events(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Pass lines on to the raw archive, with the arrival as partition keys."""
    return _transform("events", event, to_archive, with_keys=True)


def to_csv(data: bytes) -> Converted:
    """Quote the columns of page transitions by RFC 4180, but end lines in a line feed."""
    rows, malformed = [], 0
    for line in data.split(b"\n"):
        try:
            row = _TRANSITION.fullmatch(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            row = None
        if row:
            rows.append(row.groups())
        elif line.strip():
            malformed += 1
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return Converted(text.getvalue().encode(), len(rows), malformed)


def to_archive(data: bytes) -> Converted:
    """Keep all lines of events as sent, or none if none is good."""
    lines = json_lines.split(data)
    malformed = sum(not json_lines.is_object(line) for line in lines)
    is_kept = malformed < len(lines)
    return Converted(b"\n".join([*lines, b""]) if is_kept else b"", len(lines) - malformed, malformed)


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
