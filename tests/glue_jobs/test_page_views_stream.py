"""Page views -> counts per window and page, in a table and a stream; a batch processed again replaces what it added."""

import json
from collections import defaultdict
from datetime import timedelta
from random import Random

import pytest
from streamed import NOON, Streamed, sent_to

import page_views_stream
from clickstream import errors
from clickstream.runtime.arguments import Folder, Table
from clickstream.storage import quarantine
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

    def stored(self) -> dict:
        self.trial.spark.sql(f"refresh table {self.table}")
        rows = self.trial.spark.table(self.table).collect()
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
    page_views.forget(1)
    page_views.put(view("/a"), "x", view("/a", "cyd"), view("/b"), again=1)  # <- Glue reads on from where it began
    page_views.run()
    assert page_views.stored() == {("/a", "12:00"): (4, 3), ("/b", "12:00"): (1, 1)}
    assert page_views.quarantined() == ["x"]


def test_a_run_that_ends_before_it_has_told_of_it_is_completed(page_views, monkeypatch):
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


def test_late_views_are_quarantined_and_others_find_their_window(page_views):
    page_views.put(view("/a", at=NOON - timedelta(minutes=30)), view("/a", at=NOON - timedelta(minutes=61)))
    page_views.run()
    assert page_views.stored() == {("/a", "11:30"): (1, 1)}
    assert [row["reasons"] for row in page_views.trial.quarantine()] == [["late"]]


def test_a_stream_that_is_not_there_is_named(page_views):
    page_views.put(view("/a"))
    with pytest.raises(errors.StreamError, match="stream nowhere does not exist"):
        page_views.run(page_counts_stream="nowhere")
