"""Firehose transformations: ``page_transitions`` makes CSV of TSV, ``events`` makes lines for the raw archive.

A record is answered with

Ok                what is left of it: at least one good line
Dropped           it holds nothing but white space
ProcessingFailed  not one good line, not base64, or no room in the answer: Firehose keeps it, as sent, below its error
                  prefix

``events`` leaves a bad line where it is if the record holds a good one: ``events_batch`` quarantines it with its
reasons and ``replay`` can bring it back; it reads nothing below an error prefix. A line is good if it is a JSON object,
the rest is the job's to judge. The partition keys are the arrival's, for the prefix

    raw/events/arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/

``page_transitions`` skips bad lines and counts them. Lines of both end in a line feed.

Room: an answer of more than 6 MB would fail all its records. ``events`` adds a byte a record and CSV at most doubles (a
title of nothing but quotes), so with the buffer hint at Firehose's default of 1 MB the data takes less than 3 MB in
base64. A larger hint, or records of a few bytes, whose envelopes weigh more than they do, may fill the answer.
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
MAX_ANSWER_BYTES = 6_000_000
ENVELOPE_BYTES = 160  # the most of an answer to one record but for its id and data
HOUR_MS = 3_600_000

# prev, curr, type, n. No control characters, so that a line stays one line in CSV.
_TRANSITION = re.compile(r"([^\x00-\x1f]+)\t([^\x00-\x1f]+)\t([^\x00-\x1f]+)\t([0-9]{1,18})")

Answer = dict[str, Any]


class Converted(NamedTuple):
    """What became of a record's lines."""

    text: bytes
    lines: int
    malformed: int


def page_transitions(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Answer Firehose."""
    return _transform("page_transitions", event, to_csv, with_keys=False)


def events(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Answer Firehose."""
    return _transform("events", event, to_archive, with_keys=True)


def to_csv(data: bytes) -> Converted:
    """Quote the columns of page transitions by RFC 4180, with a line feed for the end of a line."""
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
    """Keep the lines of events as sent, all or none."""
    lines = json_lines.split(data)
    malformed = sum(not json_lines.is_object(line) for line in lines)
    is_kept = malformed < len(lines)
    return Converted(b"\n".join([*lines, b""]) if is_kept else b"", len(lines) - malformed, malformed)


def _transform(
    name: str, event: dict[str, Any], convert: Callable[[bytes], Converted], *, with_keys: bool
) -> dict[str, Any]:
    """Answer every id once: Firehose refuses an answer that is missing and one that comes twice."""
    records: dict[str, dict[str, Any]] = {}
    for record in event["records"]:
        records.setdefault(record["recordId"], record)
    counts = Counter(records=len(event["records"]), repeated_ids=len(event["records"]) - len(records))
    room = MAX_ANSWER_BYTES - sum(ENVELOPE_BYTES + len(record_id) for record_id in records)
    answers = []
    for record_id, record in records.items():
        answer = _answer(record, convert, counts)
        room -= len(answer.get("data", ""))
        if room < 0:
            room += len(answer["data"])
            counts["without_room"] += 1
            answer = {"recordId": record_id, "result": "ProcessingFailed"}
        elif with_keys and answer["result"] == "Ok":
            answer["metadata"] = {"partitionKeys": _arrival(record["approximateArrivalTimestamp"] // HOUR_MS)}
        counts[answer["result"]] += 1
        answers.append(answer)
    print(json.dumps({"function": name, **counts}))
    return {"records": answers}


def _answer(record: dict[str, Any], convert: Callable[[bytes], Converted], counts: Counter[str]) -> Answer:
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
