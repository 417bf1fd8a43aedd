"""Counts of whole dates, made again of the raw archive: what the stream had left, and what it goes on from."""

import json
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest
from streamed import NOON
from test_page_views_stream import page_views, view  # noqa: F401  # a fixture
from trial import as_text

from clickstream import errors
from clickstream.runtime.arguments import PositiveInt
from clickstream.storage import kinesis_sink
from clickstream.transforms import page_views as transform
from lambdas import archive_lines

BOOKKEEPING = {"batch", "views_before"}
THE_17TH = date(2024, 3, 17)


def counts_in(trial):
    rows = [{name: value for name, value in row.items() if name not in BOOKKEEPING} for row in trial.page_counts()]
    return sorted(rows, key=as_text)


def archived(trial, *records, at=NOON, file="a.json"):
    """Write records as ``land_raw`` does, which knows the hour of their arrival."""
    lines = [archive_lines.line(record.encode() if isinstance(record, str) else record) for record in records]
    trial.send(lines, f"arrived={at:%Y-%m-%d/%H}/{file}")


def test_it_leaves_what_the_stream_has_left(page_views):  # noqa: F811
    random = Random(1)
    trial = page_views.trial
    trial.page_counts_table = page_views.table
    for batch in range(4):
        arrived = NOON + timedelta(minutes=25 * batch)
        records = [
            view(
                f"/p{random.randrange(4)}",
                random.choice(["ada", "bob", None, f"u{random.randrange(99)}"]),
                arrived - timedelta(seconds=random.randrange(600)),
            )
            for _ in range(60)
        ]
        records += [
            "x",
            "[]",
            view("/a", at=NOON - timedelta(minutes=120)),
            view("/é", at=arrived) + "\n" + view("/é", "漢", arrived),
        ]
        page_views.put(*records, at=arrived)
        archived(trial, *records, at=arrived, file=f"{batch}.json")
    page_views.run()
    by_stream, quarantined = counts_in(trial), page_views.quarantined()
    assert len(by_stream) > 100
    counts = trial.page_counts_batch()
    assert counts_in(trial) == by_stream
    assert (counts["read"], counts["written"], counts["quarantined"]) == (4 * 65, 4 * 62, 12)
    assert page_views.quarantined() == sorted(quarantined * 2)  # <- each with the place it came from
    rows = trial.page_counts()
    trial.page_counts_batch()
    assert counts_in(trial) == by_stream
    assert len(trial.page_counts()) == len(rows)
    assert page_views.quarantined() == sorted(quarantined * 2)


def test_the_stream_does_not_count_again_what_a_rebuild_has_read(page_views, monkeypatch):  # noqa: F811
    monkeypatch.setattr(transform, "LONGEST_UNREAD", timedelta(days=36_500))  # <- the stream has views of 2024
    trial = page_views.trial
    trial.page_counts_table = page_views.table
    page_views.put(view("/a"), view("/a", "bob"))
    page_views.put(view("/a"), view("/b"))
    page_views.run()
    archived(trial, view("/a"), view("/a", "bob"), view("/a"), view("/b"), view("/a", "cyd"), view("/c"))
    trial.page_counts_batch()
    expected = {("/a", "12:00"): (4, 3), ("/b", "12:00"): (1, 1), ("/c", "12:00"): (1, 1)}
    assert page_views.stored() == expected
    trial.rewrite(page_views.table)
    trial.expire(page_views.table)

    page_views.forget(1)
    page_views.put(view("/a"), view("/b"), view("/a", "cyd"), again=1)  # <- Glue reads on from where it began
    page_views.put(view("/c"))  # <- was archived, and not yet read
    page_views.put(view("/a", at=NOON + timedelta(days=1)), at=NOON + timedelta(days=1))  # <- another date
    page_views.run()
    by_date = [(row["window_date"], row["page"], row["views"]) for row in trial.page_counts()]
    assert sorted(by_date) == [
        ("2024-03-17", "/a", 4),
        ("2024-03-17", "/b", 1),
        ("2024-03-17", "/c", 1),
        ("2024-03-18", "/a", 1),
    ]

    page_views.put(view("/a", "dan"), at=datetime.now(UTC))  # <- sent again, by replay
    page_views.run(allowed_lateness_minutes=PositiveInt(2100 * 366 * 24 * 60))
    assert sorted(row["views"] for row in trial.page_counts() if row["page"] == "/a") == [1, 5]


def test_a_rebuild_hides_nothing_of_the_stream_s_last_batch(page_views, monkeypatch):  # noqa: F811
    clock = iter([2_000_000_000_000, 1_000_000_000_000])
    monkeypatch.setattr(kinesis_sink, "time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    trial = page_views.trial
    trial.page_counts_table = page_views.table
    the_18th = NOON + timedelta(days=1)
    page_views.put(view("/a", at=the_18th), view("/b", at=the_18th), at=the_18th)
    page_views.run()
    archived(trial, view("/a"))
    trial.page_counts_batch()
    trial.rewrite(page_views.table)
    trial.expire(page_views.table)
    page_views.forget(0)
    page_views.put(view("/a", at=the_18th), at=the_18th, again=0)
    page_views.run()
    by_date = [(row["window_date"], row["page"], row["views"]) for row in trial.page_counts()]
    assert sorted(by_date) == [("2024-03-17", "/a", 1), ("2024-03-18", "/a", 1)]
    assert max(sent["version"] for sent in page_views.live().values()) == 2_000_000_000_001  # <- the clock was set back


def test_only_whole_dates_are_rebuilt(trial):
    now = datetime.now(UTC)
    archived(trial, view("/now", at=now), at=now)
    archived(trial, view("/then"))
    counts = trial.page_counts_batch()
    assert (counts["read"], counts["written"], counts["skipped_dates"]) == (2, 1, 1)
    with pytest.raises(errors.ArgumentError, match="is not over"):
        trial.page_counts_batch(start_date=THE_17TH, end_date=now.date())


def test_dates_that_are_asked_for_are_replaced_and_no_others(trial):
    the_18th = NOON + timedelta(days=1)
    archived(trial, view("/a"), view("/b"))
    archived(trial, view("/a", at=the_18th), at=the_18th)
    trial.page_counts_batch()
    trial.raw.joinpath("arrived=2024-03-17/12/a.json").unlink()
    archived(trial, view("/c"))
    trial.raw.joinpath("arrived=2024-03-18/12/a.json").unlink()
    counts = trial.page_counts_batch(start_date=THE_17TH, end_date=THE_17TH)
    assert [(row["page"], row["window_date"]) for row in trial.page_counts()] == [
        ("/a", "2024-03-18"),
        ("/c", "2024-03-17"),
    ]
    trial.page_counts_batch(start_date=THE_17TH, end_date=THE_17TH + timedelta(days=1))
    assert [row["page"] for row in trial.page_counts()] == ["/c"]
    assert counts["written"] == 1


def test_windows_of_other_lengths_stay(trial):
    archived(trial, view("/a"), view("/b", at=NOON + timedelta(minutes=1)))
    trial.page_counts_batch()
    trial.page_counts_batch(window_seconds=PositiveInt(3600))
    by_length = [(row["window_seconds"], row["page"]) for row in trial.page_counts()]
    assert sorted(by_length) == [(60, "/a"), (60, "/b"), (3600, "/a"), (3600, "/b")]
    trial.page_counts_batch()
    assert [(row["window_seconds"], row["page"]) for row in trial.page_counts()] == by_length


def test_what_may_have_been_in_time_is_counted(trial):
    """The archive knows the hour: a record of 12:00 to 13:00 may have arrived at either end."""
    eleven, day_ahead = NOON - timedelta(hours=1), NOON + timedelta(hours=24, minutes=59)
    archived(trial, view("/late", at=eleven), view("/ahead", at=day_ahead))
    archived(trial, view("/too_late", at=eleven - timedelta(seconds=1)), file="b.json")
    archived(trial, view("/too_far", at=day_ahead + timedelta(minutes=1, seconds=1)), file="c.json")
    trial.page_counts_batch()
    assert {row["page"] for row in trial.page_counts()} == {"/late", "/ahead"}
    assert sorted(row["reasons"] for row in trial.quarantine()) == [["event_time_out_of_range"], ["late"]]


def test_a_transition_counts_in_the_hour_that_it_arrived_in(trial):
    archived(trial, "a,/b,link,10", json.dumps({"page_url": "/b", "event_time": NOON.isoformat()}), b"a\t/b\tlink\t1")
    trial.page_counts_batch()
    assert [(row["page"], row["window_start"], row["views"]) for row in trial.page_counts()] == [
        ("/b", "2024-03-17T12:00:00Z", 12)
    ]
