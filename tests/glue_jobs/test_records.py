"""How a record becomes events and visits: one rule (docs/architecture.md), whichever way the record takes."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import properties
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import (
    ARRIVED,
    VALID,
    archive_by_firehose,
    archive_by_function,
    corpus,
    expected_outcomes,
    lines_of,
    quarantined,
    users,
)
from streamed import Streamed
from trial import Trial, event, plain, visit

import events_stream
from clickstream import schemas
from clickstream.runtime.arguments import Folder, Table
from clickstream.transforms import json_records, visits
from simulator import Options, arrivals

WEBHOOKS = Path(__file__).parents[2] / "examples" / "github_webhook_events.jsonl.gz"
EVER = {"start_date": date(2000, 1, 1), "end_date": date(2026, 12, 31)}


def stream_events(trial: Trial, monkeypatch, sent: list[bytes]) -> None:
    stream = Streamed(trial, monkeypatch)
    stream.put(*sent, at=ARRIVED)
    arguments = events_stream.Arguments(
        stream_arn="arn:aws:kinesis:us-east-1:123456789012:stream/events",
        events_table=Table(trial.events_table),
        quarantine_table=Table(trial.quarantine_table),
        checkpoint_path=Folder(str(stream.checkpoint)),
        trigger="available_now",
    )
    events_stream.main(trial.spark, arguments)


def rebuild(trial: Trial, sent: list[bytes], archive=archive_by_function) -> dict:
    """Archive the records and rebuild the table from the archive, as every night."""
    archive(trial, sent)
    return trial.events_batch(mode="rebuild", **EVER)


def accepted(trial: Trial) -> Counter:
    return Counter((row["payload"].encode(), VALID) for row in trial.events())


def simulated(name: str) -> list:
    return [(line, [VALID]) for _, _, line in arrivals(name, Options(rows=40, duplicates=0, malformed=0))]


def event_of_bytes(uuid: str, note: bytes) -> bytes:
    return event(uuid, note="NOTE").encode().replace(b"NOTE", note)


def test_an_event_that_the_stream_has_taken_is_there_after_the_nightly_rebuild(trial, monkeypatch):
    sent = [event_of_bytes("tab", b"Shoes\tred"), event("plain").encode()]
    stream_events(trial, monkeypatch, sent)
    rows = trial.events()
    assert [row["event_uuid"] for row in rows] == ["plain", "tab"]
    rebuild(trial, sent)
    assert trial.events() == rows


def test_events_of_the_corpus_have_their_outcome_in_the_stream_and_from_the_archive(trial, monkeypatch):
    webhooks = gzip.decompress(WEBHOOKS.read_bytes()).splitlines()[::8]
    many_lines = b"x\n" * 2000 + event("after many lines").encode()
    records = [
        *corpus("events"),
        *((webhook, [VALID]) for webhook in webhooks),
        *simulated("events"),
        (json.dumps(json.loads(event("1 MB, pretty")) | {"note": ["x" * 99] * 8500}, indent=2).encode(), [VALID]),
        (gzip.compress(event("g").encode(), mtime=0), [("not_utf8", "gzip_compressed", "not_a_json_object")]),
        (many_lines, [*[("not_a_json_object",)] * 2000, VALID]),
    ]
    sent, expected = [record for record, _ in records], expected_outcomes(records)
    assert len(records) > 200
    stream_events(trial, monkeypatch, sent)
    assert accepted(trial) + quarantined(trial, "kinesis:") == expected
    rows = trial.events()

    rebuild(trial, sent, archive_by_firehose)
    assert accepted(trial) + quarantined(trial, "file:") == expected
    assert trial.events() == rows


def test_visits_of_the_corpus_have_their_outcome(trial):
    records = [*corpus("visits"), *simulated("visits")]
    assert len(records) > 150
    expected = expected_outcomes(records)
    archive_by_function(trial, [record for record, _ in records])
    counts = trial.clickstream_batch()
    assert quarantined(trial, "file:") == Counter({pair: n for pair, n in expected.items() if pair[1]})
    assert Counter(row["user_id"] for row in trial.clickstream()) == Counter(users(expected))
    assert counts["read"] == expected.total()


def any_records(good: Callable[[str, bytes], bytes]) -> st.SearchStrategy:
    """Good lines, bad ones and random bytes, alone and several in a record; with anything before, between and after."""
    number = st.integers(0, 10**9).map(str)
    notes = [b"x", b"\t", b"\x00", b"a\nb", b"\r\n", b"\x1f", b"\x7f", b"\\u0000", "größe 😀".encode(), b"\xe9"]
    one_line = st.builds(good, number, st.sampled_from(notes))
    pretty = st.builds(
        lambda line, indent: json.dumps(json.loads(line, strict=False), indent=indent).encode(),
        st.builds(good, number, st.just(b"x")),
        st.sampled_from([0, 2, "\t"]),
    )
    blank = st.text(" \t\r\n", max_size=4).map(str.encode)
    bad = [b"x", b"{", b"}", b"[]", b"\xff", b"\xf0", b"\xe2\x80", b"\x1e", b"\x1eeA==", b"\x00", b"\x0b"]
    piece = one_line | pretty | blank | st.sampled_from(bad) | st.binary(max_size=9)
    between = st.sampled_from([b"", b" ", b"\n", b"\r\n", b"\n\n", b"\n \t\n", b"\r"])
    joined = st.lists(piece | between, min_size=2, max_size=7).map(b"".join)
    spliced = st.builds(
        lambda record, at, cut, bytes_: record[:at] + bytes_ + record[at + cut :],
        one_line | pretty,
        st.integers(0, 120),
        st.integers(0, 4),
        st.binary(max_size=5) | between,
    )
    return st.lists(one_line | pretty | joined | joined | spliced | piece, min_size=100, max_size=250)


@pytest.mark.slow
@properties.of_runs(4)
@given(sent=any_records(event_of_bytes))
def test_any_bytes_have_the_same_outcome_in_the_stream_and_from_the_archive(new_trial, sent):
    trial = new_trial()
    with pytest.MonkeyPatch.context() as monkeypatch:
        stream_events(trial, monkeypatch, sent)
    rows = trial.events()

    counts = rebuild(trial, sent)
    assert trial.events() == rows
    assert quarantined(trial, "file:") == quarantined(trial, "kinesis:")

    lines = Counter(line for record in sent for line in lines_of(record))
    assert counts["read"] == lines.total()
    bad = Counter(line for line, _ in quarantined(trial, "file:").elements())
    assert bad <= lines
    assert set(lines - bad) >= {line for line, _ in accepted(trial)}
    assert (lines - bad).total() == counts["written"] + counts["duplicate"]


@pytest.mark.slow
@properties.of_runs(3)
@given(sent=any_records(lambda user, note: visit(user, page_url="NOTE").encode().replace(b"NOTE", note)))
def test_any_bytes_are_judged_as_visits_as_if_they_had_not_been_archived(spark, new_trial, sent):
    trial = new_trial()
    archive_by_function(trial, sent)
    counts = trial.clickstream_batch()

    schema = "data binary, origin string, arrived_at timestamp"
    records = spark.createDataFrame([(bytearray(record), "here", ARRIVED) for record in sent], schema)
    raw = records.selectExpr("cast(data as string) as raw", "origin", "arrived_at").to(schemas.RAW_LINE)
    judged = raw.transform(json_records.split_records).transform(visits.validate).cache()
    assert trial.clickstream() == plain(judged.where("reasons is null").select(*schemas.CLICKSTREAM.names).distinct())
    bad = judged.where("reasons is not null").selectExpr("cast(raw as binary) as raw", "reasons").collect()
    assert quarantined(trial, "file:") == Counter((bytes(row.raw), tuple(row.reasons)) for row in bad)
    assert counts["read"] == judged.count() == sum(len(lines_of(record)) for record in sent)
