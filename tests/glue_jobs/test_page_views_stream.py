"""Page views -> counts per window and page, in a table and a stream; a batch processed again replaces what it added."""

import json
import shutil
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F
from records import ARRIVED, corpus, expected_outcomes, quarantined
from streamed import NOON, Streamed, fails_for, sent_to

import page_views_stream
from clickstream import errors
from clickstream.runtime.arguments import Folder, PositiveInt, Table
from clickstream.storage import iceberg, kinesis_sink, quarantine
from clickstream.transforms import page_views as transform
from clickstream.transforms import transitions
from local import aws


def view(page, user="ada", at=NOON):
    return json.dumps({"page_url": page, "user_id": user, "event_time": at.isoformat()})


class PageViews(Streamed):
    """The job on a stream of one trial, and the stream that it writes to."""

    def __init__(self, trial, endpoint, monkeypatch) -> None:
        super().__init__(trial, monkeypatch)
        self.endpoint, self.counts = endpoint, trial.folder.name
        self.table = trial.table("page_counts")
        self.client = aws.session().client("kinesis", endpoint_url=endpoint)
        self.client.create_stream(StreamName=self.counts, ShardCount=1)

    def run(self, **arguments) -> None:
        given = {
            "stream_name": "page_views",
            "endpoint_url": self.endpoint,
            "page_counts_table": Table(self.table),
            "page_counts_stream": self.counts,
            "quarantine_table": Table(self.trial.quarantine_table),
            "checkpoint_path": Folder(str(self.checkpoint)),
            "trigger": "available_now",
        }
        page_views_stream.main(self.trial.spark, page_views_stream.Arguments(**given | arguments))

    def rows(self) -> list:
        self.trial.spark.sql(f"refresh table {self.table}")
        return self.trial.spark.table(self.table).collect()

    def stored(self) -> dict:
        rows = self.rows()
        assert len({(row.window_start, row.page) for row in rows}) == len(rows)
        return {(row.page, f"{row.window_start:%H:%M}"): (row.views, row.users) for row in rows}

    def live(self) -> dict:
        """Keep what has the highest version, as the store does."""
        newest = {}
        for sent in sent_to(self.client, self.counts):
            assert sent["version"] >= newest.get((sent["page"], sent["window_start"]), sent)["version"]
            newest[sent["page"], sent["window_start"]] = sent
        return newest


@pytest.fixture
def page_views(trial, endpoint, monkeypatch) -> PageViews:
    for name, value in aws.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return PageViews(trial, endpoint, monkeypatch)


def test_counts_are_those_of_all_views_however_they_are_batched(page_views):
    random = Random(1)
    seen = [
        (f"/p{random.randrange(5)}", f"u{random.randrange(30)}", NOON - timedelta(seconds=random.randrange(150)))
        for _ in range(300)
    ]
    for batch in range(3):
        page_views.put(*[view(*each) for each in seen[batch::3]])
    page_views.run()

    views, users, pages = defaultdict(int), defaultdict(set), defaultdict(set)
    for page, user, at in seen:
        views[page, f"{at:%H:%M}"] += 1
        users[page, f"{at:%H:%M}"].add(user)
        pages[f"{at:%H:%M}"].add(page)
    assert page_views.stored() == {key: (views[key], len(users[key])) for key in views}

    live = page_views.live()
    for (page, minute), count in views.items():
        sent = live[page, f"2024-03-17T{minute}:00.000Z"]
        assert (sent["views"], sent["users"], sent["window_seconds"]) == (count, len(users[page, minute]), 60)
    for minute, active in pages.items():
        whole = live["*", f"2024-03-17T{minute}:00.000Z"]
        assert whole["pages"] == len(active)
        assert whole["views"] == sum(count for (_, at), count in views.items() if at == minute)
        assert whole["users"] == len(set().union(*[users[page, minute] for page in active]))


def test_a_batch_that_is_processed_again_replaces_what_it_added(page_views):
    page_views.put(view("/a"), view("/a", "bob"))
    page_views.put(view("/a"), "x")
    page_views.run()
    page_views.trial.rewrite(page_views.table)
    page_views.trial.expire(page_views.table)
    page_views.forget(1)
    page_views.put(view("/a"), "x", view("/a", "cyd"), view("/b"), again=1)  # <- Glue reads on from where it began
    page_views.run()
    assert page_views.stored() == {("/a", "12:00"): (4, 3), ("/b", "12:00"): (1, 1)}
    assert page_views.quarantined() == ["x"]


@pytest.mark.parametrize("upkeep", ["none", "a_rebuild_of_other_days"])
def test_what_an_attempt_has_added_is_taken_back_where_the_next_one_has_fewer_records(page_views, upkeep):
    a_minute_ago = NOON - timedelta(minutes=1)
    page_views.put(view("/a"), view("/b"))
    first = [view("/a", "bob"), view("/a", "cyd"), view("/c", "bob")]
    page_views.put(*first, view("/c", "bob", a_minute_ago))
    page_views.run()
    if upkeep == "a_rebuild_of_other_days":
        page_views.trial.page_counts_batch(
            page_counts_table=page_views.table, start_date=date(2024, 3, 1), end_date=date(2024, 3, 2)
        )
    page_views.forget(1)
    page_views.put(first[0], again=1)
    page_views.run()
    assert page_views.stored() == {("/a", "12:00"): (2, 3), ("/b", "12:00"): (1, 1)}  # <- cyd comes again
    live = {(page, start[11:16]): (sent["views"], sent["pages"]) for (page, start), sent in page_views.live().items()}
    assert live == {
        ("/a", "12:00"): (2, 1),
        ("/b", "12:00"): (1, 1),
        ("/c", "12:00"): (0, 0),
        ("*", "12:00"): (3, 2),
        ("/c", "11:59"): (0, 0),
        ("*", "11:59"): (0, 0),
    }
    page_views.put(*first[1:], view("/c", "bob", a_minute_ago))
    page_views.run()
    assert page_views.stored() == {
        ("/a", "12:00"): (3, 3), ("/b", "12:00"): (1, 1), ("/c", "12:00"): (1, 1), ("/c", "11:59"): (1, 1)
    }  # fmt: skip
    assert page_views.live()["*", "2024-03-17T12:00:00.000Z"]["views"] == 5


def test_what_an_attempt_has_added_is_taken_back_where_the_next_one_has_no_records(page_views):
    """A job of another window length has written to the table in between."""
    page_views.put(view("/a"))
    page_views.put(view("/a", "bob"), view("/b"))
    page_views.run()
    page_views.run(checkpoint_path=Folder(f"{page_views.checkpoint}-hours"), window_seconds=PositiveInt(3600))
    page_views.trial.rewrite(page_views.table)
    page_views.trial.expire(page_views.table)
    page_views.forget(1)
    page_views.put(again=1)
    page_views.run()
    page_views.put(view("/a", "bob"), view("/b"))
    page_views.run()
    assert sorted((row["window_seconds"], row["page"], row["views"]) for row in page_views.rows()) == [
        (60, "/a", 2),
        (60, "/b", 1),
        (3600, "/a", 2),
        (3600, "/b", 1),
    ]


def test_a_batch_without_views_writes_nothing(page_views):
    page_views.put(view("/a"))
    page_views.run()
    snapshots = iceberg.snapshots(page_views.trial.spark, page_views.table)
    page_views.put()
    page_views.run()
    assert iceberg.snapshots(page_views.trial.spark, page_views.table) == snapshots
    assert page_views.stored() == {("/a", "12:00"): (1, 1)}


def test_a_run_that_ends_before_it_has_sent_its_counts_is_completed(page_views, monkeypatch):
    page_views.put(view("/a"), "x")

    def no_space(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as full:
        full.setattr(quarantine, "add", no_space)
        with pytest.raises(errors.StreamError, match="No space left on device"):
            page_views.run()
    assert page_views.live() == {}
    page_views.run()
    assert page_views.stored() == {("/a", "12:00"): (1, 1)}
    assert page_views.live()["*", "2024-03-17T12:00:00.000Z"]["views"] == 1
    assert page_views.quarantined() == ["x"]


def test_versions_grow_though_the_clock_is_set_back(page_views, monkeypatch):
    clock = iter(range(2_000_000_000_000, 0, -600_000))  # <- ten minutes back at each batch
    monkeypatch.setattr(kinesis_sink, "time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    page_views.put(view("/a"))
    page_views.put("x")
    page_views.put(view("/a"))
    page_views.run()
    page_views.trial.rewrite(page_views.table)
    page_views.trial.expire(page_views.table)
    page_views.forget(2)
    page_views.put(view("/a"), view("/a"), again=2)  # <- Glue reads on from where it began
    page_views.run()
    shutil.rmtree(page_views.checkpoint)
    page_views.folder.joinpath("0000.parquet").unlink()
    page_views.run()  # <- without the checkpoint
    assert page_views.live()["/a", "2024-03-17T12:00:00.000Z"]["views"] == 5
    sent = [sent["version"] for sent in sent_to(page_views.client, page_views.counts) if sent["page"] == "/a"]
    assert sent == [2_000_000_000_000 + n for n in range(4)]


def test_late_views_are_quarantined_and_others_find_their_window(page_views):
    page_views.put(view("/a", at=NOON - timedelta(minutes=30)), view("/a", at=NOON - timedelta(minutes=61)))
    page_views.run()
    assert page_views.stored() == {("/a", "11:30"): (1, 1)}
    assert [row["reasons"] for row in page_views.trial.quarantine()] == [["late"]]


def test_quarantined_views_come_back_through_their_stream(page_views, monkeypatch):
    now = datetime.now(UTC).replace(microsecond=0)
    old, recent = now - timedelta(hours=3), now - timedelta(minutes=30)
    with monkeypatch.context() as yesterday:
        yesterday.setattr(transitions, "LONGEST_PAGE", 5)
        page_views.put(view("/long-name", at=recent), "x", view("/long-name", at=old), at=now)
        page_views.run()
    assert page_views.stored() == {}

    page_views.client.create_stream(StreamName=f"{page_views.counts}-views", ShardCount=1)
    given = {"page_views_stream": f"{page_views.counts}-views", "endpoint_url": page_views.endpoint}
    counts = page_views.trial.replay("page_views", **given)
    assert (counts["read"], counts["written"], counts["quarantined"]) == (3, 1, 2)
    assert page_views.trial.replay("page_views", **given)["written"] == 0
    assert sorted(row["raw"] for row in page_views.trial.quarantine() if not row["replayed_at"]) == sorted([
        "x",
        view("/long-name", at=old),  # <- the stream's job would not take it
    ])

    sent = [json.dumps(row) for row in sent_to(page_views.client, f"{page_views.counts}-views")]
    page_views.put(*sent, at=now)
    page_views.run()
    assert page_views.stored() == {("/long-name", f"{recent:%H:%M}"): (1, 1)}

    counts = page_views.trial.replay("page_views", **given, allowed_lateness_minutes=PositiveInt(240))
    assert (counts["written"], counts["quarantined"]) == (1, 1)


@pytest.mark.single
def test_views_that_are_not_put_stay_open(page_views, monkeypatch):
    now = datetime.now(UTC).replace(microsecond=0)
    views = [view(f"/{number}", at=now) for number in range(3)]
    views.append(view("/large", "u" * 256, at=now)[:-1] + f', "x": "{"x" * (2**20 - 600)}"}}')  # <- just fits
    with monkeypatch.context() as yesterday:
        yesterday.setattr(transitions, "LONGEST_PAGE", 1)
        page_views.put(*views, at=now)
        page_views.run()
    given = {"page_views_stream": "nowhere", "endpoint_url": page_views.endpoint}
    with pytest.raises(errors.PutError, match="nowhere does not exist"):
        page_views.trial.replay("page_views", **given)
    assert page_views.quarantined() == sorted(views)
    assert not any(row["replayed_at"] for row in page_views.trial.quarantine())

    given["page_views_stream"] = f"{page_views.counts}-views"
    page_views.client.create_stream(StreamName=given["page_views_stream"], ShardCount=1)
    calls = iter(range(2))
    put_call = kinesis_sink.put_call

    def fails_at_the_second(*arguments):
        if next(calls) == 1:
            raise errors.PutError("throttled")
        put_call(*arguments)

    with monkeypatch.context() as throttled:
        throttled.setattr(kinesis_sink, "put_call", fails_at_the_second)
        throttled.setattr(kinesis_sink, "MAX_RECORDS", 2)
        with pytest.raises(errors.PutError, match="throttled"):
            page_views.trial.replay("page_views", **given)
    assert sum(row["replayed_at"] is not None for row in page_views.trial.quarantine()) == 2
    assert page_views.trial.replay("page_views", **given)["written"] == 2
    sent = sent_to(page_views.client, given["page_views_stream"])
    assert sorted(row["page_url"] for row in sent) == ["/0", "/1", "/2", "/large"]


@pytest.mark.single
def test_two_replays_at_once_send_a_view_once(page_views, monkeypatch):
    now = datetime.now(UTC).replace(microsecond=0)
    with monkeypatch.context() as yesterday:
        yesterday.setattr(transitions, "LONGEST_PAGE", 1)
        page_views.put(view("/a", at=now), view("/b", at=now), at=now)
        page_views.run()
    stream = f"{page_views.counts}-views"
    page_views.client.create_stream(StreamName=stream, ShardCount=1)
    given = {"page_views_stream": stream, "endpoint_url": page_views.endpoint}
    mark, other = quarantine.mark_replayed, []

    def another_is_first(rows, table):
        monkeypatch.setattr(quarantine, "mark_replayed", mark)
        other.append(page_views.trial.replay("page_views", **given))
        return mark(rows, table)

    monkeypatch.setattr(quarantine, "mark_replayed", another_is_first)
    counts = page_views.trial.replay("page_views", **given)
    assert (other[0]["written"], counts["read"], counts["written"], counts["duplicate"]) == (2, 2, 0, 2)
    assert len(sent_to(page_views.client, stream)) == 2


def test_a_stream_that_is_not_there_is_named(page_views):
    page_views.put(view("/a"))
    with pytest.raises(errors.StreamError, match="stream nowhere does not exist"):
        page_views.run(page_counts_stream="nowhere")


def test_every_form_is_counted(page_views):
    page_views.put(view("/b"), "a\t/b\tlink\t10", "a,/b,link,100", "a\t/c\tlink\t1\n" + view("/b"), "a\t/b\tlink")
    page_views.run()
    assert page_views.stored() == {("/b", "12:00"): (112, 1), ("/c", "12:00"): (1, 0)}
    assert page_views.quarantined() == ["a\t/b\tlink"]


def test_no_number_of_views_stops_the_stream(page_views):
    page_views.put("home,/b,link,9223372036854775807", "home,/b,link,1000000000000")
    page_views.run()
    most = transform.MOST_COUNTED
    page_views.trial.spark.sql(f"refresh table {page_views.table}")  # which the job's own session has written
    page_views.trial.spark.sql(f"update {page_views.table} set views = {most} - 1, views_before = 0")
    page_views.put(view("/b"), "home,/b,link,1000000000000", "home,/c,link,1")
    page_views.put(view("/b"))
    page_views.run()
    assert page_views.stored() == {("/b", "12:00"): (most, 1), ("/c", "12:00"): (1, 0)}
    assert page_views.live()["*", "2024-03-17T12:00:00.000Z"]["views"] == most
    assert [row["reasons"] for row in page_views.trial.quarantine()] == [["views_out_of_range"]]


@pytest.mark.slow
def test_a_record_that_cannot_be_processed_is_quarantined_and_the_stream_goes_on(page_views, monkeypatch):
    per_window = transform.per_window

    def defect(views, window):
        return per_window(views.withColumn("user_id", fails_for(F.col("user_id"), "bob")), window)

    monkeypatch.setattr(transform, "per_window", defect)
    page_views.put(view("/a"), view("/a", "bob"), view("/b"))
    page_views.put(view("/a", "cyd"))
    page_views.run()
    assert page_views.stored() == {("/a", "12:00"): (2, 2), ("/b", "12:00"): (1, 1)}
    assert page_views.quarantined() == [view("/a", "bob")]

    monkeypatch.setattr(transform, "per_window", per_window)
    page_views.forget(1)
    page_views.put(view("/a", "cyd"), view("/a", "dan"), again=1)  # <- Glue reads on from where it began
    page_views.run()
    assert page_views.stored() == {("/a", "12:00"): (3, 3), ("/b", "12:00"): (1, 1)}


@pytest.mark.single
def test_records_of_the_corpus_have_their_outcome(page_views):
    records = corpus("page_views")
    assert len(records) > 250
    expected = expected_outcomes(records)
    page_views.put(*[record for record, _ in records], at=ARRIVED)
    page_views.run(allowed_lateness_minutes=PositiveInt(2100 * 366 * 24 * 60))  # <- late are none
    assert quarantined(page_views.trial, "kinesis:") == Counter({pair: n for pair, n in expected.items() if pair[1]})
    assert ("/a", "10:15") in page_views.stored()
