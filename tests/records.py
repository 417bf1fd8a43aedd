r"""Records as a stream holds them, the lines that they are made of, and the functions that archive them.

The corpus of an input (``INPUTS``) is made of files in ``tests/corpus``, with a record a line:

    outcome ; outcome | record

with an outcome for each line of the record: ``valid``, or the reasons to quarantine it. In the record ``\n``, ``\r``,
``\t``, ``\\`` and ``\x00`` stand for bytes, ``<id>`` for an id of its own, and other words in brackets for what the
input has in their place. What begins with ``#`` is a comment.
"""

import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from trial import Trial

from lambdas import land_raw, transform
from local.aws import event_sources

CORPUS = Path(__file__).parent / "corpus"
ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}
NO_TEXT = (b"\x1f\x8b", b"\xf3\x89\x9a\xc2")  # gzip; many records in one, by the Kinesis Producer Library
SHARD = "shardId-000000000000"
ARRIVED = datetime(2026, 1, 2, 12, 34, 56, tzinfo=UTC)
FOLDER = "arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/"


class Input(NamedTuple):
    """Files of the corpus, and what the words in brackets stand for; those of ``others`` are in the outcomes, too."""

    files: tuple[str, ...]
    others: dict[str, str]


def _timed(field: str, known: str, missing: str, *files: str, **others: str) -> Input:
    time = f'"{field}":"2024-03-17T10:15:30Z"'
    words = {"<fields>": "<user>,<time>", "<user>": known, "<time>": time, "<field>": field, "<missing>": missing}
    return Input(("lines", *files), words | others)


_USER, _NO_USER = '"user_id":"<id>"', "user_id_missing event_time_missing"
INPUTS = {
    "events": Input(
        ("lines", "events"),
        {
            "<fields>": '"event_uuid":"<id>","event_name":"payment:order","created_at":1710670530',
            "<missing>": "event_uuid_missing event_name_missing created_at_missing",
        },
    ),
    "visits": _timed("event_time", _USER, _NO_USER, "activity"),
    "clicks": _timed("event_timestamp", _USER, _NO_USER, "activity"),
    "app_clicks": _timed("client_timestamp", _USER, _NO_USER, "activity"),
    "page_views": _timed(
        "event_time",
        '"page_url":"/a"',
        "page_missing event_time_missing",
        "views",
        "page_transitions",
        not_a_json_object="not_a_view",
    ),
}

Reasons = tuple[str, ...]
VALID: Reasons = ()
Outcomes = Counter[tuple[bytes, Reasons]]  # of lines


def corpus(name: str) -> list[tuple[bytes, list[Reasons]]]:
    """Read the records of an input, each with the outcomes of its lines."""
    files, others = INPUTS[name]
    texts = [(file, (CORPUS / f"{file}.txt").read_text()) for file in files]
    rows = [(file, number, row) for file, text in texts for number, row in enumerate(text.split("\n"), 1)]
    return [_read(f"{file}-{number}", row, others) for file, number, row in rows if row and not row.startswith("#")]


def _read(id_: str, row: str, others: dict[str, str]) -> tuple[bytes, list[Reasons]]:
    for word, other in others.items():
        row = row.replace(word, other)
    outcomes, _, escaped = row.partition(" | ")
    record = re.sub(rb"\\(n|r|t|\\|x[0-9a-f]{2})", _unescaped, escaped.encode())
    unique = count(1)
    record = re.sub(b"<id>", lambda _: f"{id_}-{next(unique)}".encode(), record)
    reasons = [tuple(outcome.split()) for outcome in outcomes.split(" ; ")]
    return record, [VALID if outcome == ("valid",) else outcome for outcome in reasons]


def _unescaped(found: re.Match[bytes]) -> bytes:
    return ESCAPED.get(found[1]) or bytes.fromhex(found[1][1:].decode())


def lines_of(record: bytes) -> list[bytes]:
    """Take a record apart by the rule of docs/architecture.md, with another parser than the jobs'."""
    text = re.sub(rb"(\r\n|\n|\r)\Z", b"", record).removeprefix("\ufeff".encode())
    if is_object(text) or text.startswith(NO_TEXT):
        return [text]
    lines = [line for line in re.split(rb"\r?\n", text) if line.strip(b" \t\r\n")]
    return lines if b"\n" in text and lines else [text]


def is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text.decode(errors="replace"), strict=False, parse_constant=_no_json), dict)
    except ValueError:
        return False


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def expected_outcomes(records: list[tuple[bytes, list[Reasons]]]) -> Outcomes:
    """Pair the lines of each record with their outcomes."""
    return Counter(pair for record, outcomes in records for pair in zip(lines_of(record), outcomes, strict=True))


def users(expected: Outcomes) -> list[str]:
    """Return the user of every valid line."""
    valid = [json.loads(line, strict=False) for line, reasons in expected.elements() if not reasons]
    return [str(fields["user_id"]).strip(" \xa0\u200b") for fields in valid]


def quarantined(trial: Trial, origin: str) -> Outcomes:
    """Read the lines in the quarantine that came from an origin that begins so."""
    rows = [row for row in trial.quarantine() if row["origin"].startswith(origin)]
    texts = [b64decode(row["raw"]) if row["is_base64"] else row["raw"].encode() for row in rows]
    return Counter(zip(texts, (tuple(row["reasons"]) for row in rows), strict=True))


class Stream:
    """Stands for ``event_sources.Shards``: a stream of one shard, whose records all arrived at once."""

    stream = "stream"

    def __init__(self, records: list[bytes]) -> None:
        self.records = [
            {"Data": data, "SequenceNumber": f"{number}", "PartitionKey": "u", "ApproximateArrivalTimestamp": ARRIVED}
            for number, data in enumerate(records, 10**55)
        ]

    def unread(self, limit: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        for at in range(0, len(self.records), limit):
            yield SHARD, self.records[at : at + limit]


class RawArchive:
    """Stands for S3: objects become the raw files of a trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: ARG002, N803  # as boto3 calls them
        self.trial.send_bytes(Body, Key)


def archive_events(trial: Trial, records: list[bytes]) -> None:
    """Let Firehose archive them; none may fail."""
    stream: Any = Stream(records)
    s3: Any = RawArchive(trial)
    event_sources.Firehose(stream, transform.events, s3, "lake", FOLDER).drain()
    assert not (trial.raw / "failed").exists()


def archive_visits(trial: Trial, records: list[bytes]) -> None:
    """Let the function archive them; none may fail."""
    s3: Any = RawArchive(trial)
    batch = [event_sources.kinesis_record("visits", SHARD, record) for record in Stream(records).records]
    assert land_raw.archive(batch, "s3://lake/visits", s3) == {"batchItemFailures": []}
