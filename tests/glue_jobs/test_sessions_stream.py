"""Clicks -> their sessions while they go on, and these are the ones that the batch finds."""

import json
import os
import re
import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import sessions_oracle
from pyspark.sql import functions as F
from records import ARRIVED, VALID, archive_by_function, corpus, expected_outcomes, quarantined, users
from streamed import NOON, Streamed, fails_for, sent_to

import sessions_stream
from clickstream import errors
from clickstream.runtime.arguments import Folder, PositiveInt, Table
from clickstream.storage import kinesis_sink, quarantine, session_state
from clickstream.transforms import sessions
from lambdas import store
from local import aws
from simulator import Options, arrivals

SECOND = timedelta(seconds=1)
STEPS = (Path(__file__).parents[2] / "docs" / "live-tables.md").read_text().partition("### Step by step")[2]


def click(second, user="ada", **fields):
    at = NOON + second * SECOND
    return json.dumps({"user_id": user, "event_timestamp": at.isoformat(), "event_name": f"{user}@{second}", **fields})


def rows_of(table):
    """Read the cells of a table in Markdown, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def second_of(time):
    """Say how long after noon a time like 12:00:05 is."""
    return (datetime.strptime(time, "%H:%M:%S") - datetime.strptime("12:00:00", "%H:%M:%S")) // SECOND  # noqa: DTZ007


def no_space(*_, **__):
    raise OSError("No space left on device")


class Live(Streamed):
    """The job on a stream of one trial, and the stream that it writes to."""

    def __init__(self, trial, endpoint, monkeypatch) -> None:
        super().__init__(trial, monkeypatch)
        self.endpoint, self.stream = endpoint, trial.folder.name
        self.client = aws.session().client("kinesis", endpoint_url=endpoint)
        self.client.create_stream(StreamName=self.stream, ShardCount=1)

    def click(self, second, *clicks, again=None) -> None:
        """Let records arrive at a second, in a batch of their own."""
        self.put(*clicks, at=NOON + second * SECOND, again=again)

    def clicks(self, *arrivals, again=None) -> None:
        """Let records arrive at seconds of their own, in one batch: what two shards hold."""
        self.put_arrived([(record, NOON + second * SECOND) for second, record in arrivals], again)

    def run(self, **arguments) -> None:
        given = {
            "stream_name": "clicks",
            "endpoint_url": self.endpoint,
            "sessions_stream": self.stream,
            "quarantine_table": Table(self.trial.quarantine_table),
            "checkpoint_path": Folder(str(self.checkpoint)),
            "trigger": "available_now",
        }
        sessions_stream.main(self.trial.spark, sessions_stream.Arguments(**given | arguments))

    def updates(self) -> list[dict]:
        return sent_to(self.client, self.stream)

    def live(self) -> dict[str, dict]:
        """Keep what has the highest version, as the store does; what is gone is left out."""
        newest = {}
        for sent in self.updates():
            store.read(json.dumps(sent).encode(), store.Session)  # <- it takes it
            assert sent["version"] >= newest.get((sent["user_id"], sent["session_number"]), sent)["version"]
            newest[sent["user_id"], sent["session_number"]] = sent
        return {sent["session_id"]: sent for sent in newest.values() if sent["event_count"]}

    def states(self) -> list[int]:
        """List the batches of which the checkpoint holds a state, once for each attempt."""
        (kind,) = (self.checkpoint / "sessions").iterdir()
        return sorted(int(folder.name.partition("-")[0]) for folder in kind.iterdir())

    def counts(self) -> dict[str, tuple[int, bool]]:
        return {name: (sent["event_count"], sent["is_closed"]) for name, sent in self.live().items()}


@pytest.fixture
def live(trial, endpoint, monkeypatch) -> Live:
    for name, value in aws.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return Live(trial, endpoint, monkeypatch)


@pytest.mark.single
def test_each_click_is_sent_with_its_session_and_closed_ones_are_summed_up(live):
    live.click(0, click(0, device_type="phone"), click(0, device_type="phone"))
    live.click(12, click(10), click(10, "bob"))  # <- exactly the gap: the same session
    live.click(22, click(21))  # <- a second more
    live.run()
    updates = live.updates()
    events = [(sent["event_name"], sent["session_id"], sent["new_session"]) for sent in updates if "event_name" in sent]
    assert sorted(events) == [
        ("ada@0", "ada-1", 1),
        ("ada@10", "ada-1", 0),
        ("ada@21", "ada-2", 1),
        ("bob@10", "bob-1", 1),
    ]
    assert live.counts() == {"ada-1": (2, False), "ada-2": (1, False), "bob-1": (1, False)}
    assert live.live()["ada-1"]["started_at"] == "2024-03-17T12:00:00.000Z"

    live.click(91, click(91, "cyd"))  # <- the watermark is at 31: exactly the gap after ada-2 and bob-1
    live.run()
    assert live.counts()["ada-1"] == (2, True)
    assert live.counts()["ada-2"] == (1, False)
    live.click(92, click(92, "cyd"))
    live.run()
    assert live.counts() == {"ada-1": (2, True), "ada-2": (1, True), "bob-1": (1, True), "cyd-1": (2, False)}
    (closed,) = [sent for sent in live.updates() if sent["session_id"] == "ada-1" and sent["is_closed"]]
    assert (closed["duration_seconds"], closed["device_type"], "event_name" in closed) == (10, "phone", False)

    live.click(100, click(99))  # <- the numbers go on
    live.run()
    assert live.counts()["ada-3"] == (1, False)


@pytest.mark.single
def test_a_click_out_of_order_finds_its_place_and_one_that_is_too_late_is_quarantined(live):
    live.click(0, click(0))
    live.click(30, click(16), click(30))
    live.run()
    assert live.counts() == {"ada-1": (1, False), "ada-2": (1, False), "ada-3": (1, False)}
    live.click(60, click(8))  # <- within the gap of both: they become one
    live.run()
    assert live.counts() == {"ada-1": (3, False), "ada-2": (1, False)}
    (gone,) = [sent for sent in live.updates() if not sent["event_count"]]
    assert (gone["session_id"], gone["is_closed"]) == ("ada-3", True)

    live.click(60, click(-1), click(0, "bob"))
    live.run()
    assert [(row["raw"], row["reasons"]) for row in live.trial.quarantine()] == [(click(-1), ["late"])]
    assert live.counts() == {"ada-1": (3, False), "ada-2": (1, False), "bob-1": (1, False)}


def test_a_shard_that_is_behind_is_not_late(live):
    behind, ahead = [(second, click(second)) for second in range(300)], [(900, click(900, "bob"))]
    live.clicks(*ahead, *behind[:100])
    live.clicks((901, click(901, "bob")), *behind[100:200])
    live.clicks((902, click(902, "bob")))  # <- nothing of the shard that is behind: it was not read
    live.clicks((1000, click(1000, "bob")), *behind[200:])
    live.run()
    assert live.quarantined() == []
    assert live.live()["bob-1"]["event_count"] == 3
    assert sum(sent["event_count"] for name, sent in live.live().items() if name.startswith("ada")) == 300

    live.clicks((1070, click(1009)), (1070, click(1010)), (1070, click(1131)), (1070, click(1130)))
    live.run()
    late_and_early = [(click(1009), ["late"]), (click(1131), ["early"])]  # <- a second more than the allowance
    assert sorted((row["raw"], row["reasons"]) for row in live.trial.quarantine()) == sorted(late_and_early)


@pytest.mark.single
def test_sessions_of_an_idle_stream_close(live):
    live.click(0, click(0))
    live.run()
    assert live.counts() == {"ada-1": (1, False)}
    live.click(0)  # <- a batch without records: it is long after noon
    live.run()
    assert (live.counts(), live.states()) == ({"ada-1": (1, True)}, [0, 1])
    live.click(0)
    live.run()
    assert live.states() == [0, 1]  # <- nothing was to be written
    live.click(40, click(40))  # <- before the watermark, and yet in time
    live.run()
    assert (live.counts(), live.states()) == ({"ada-1": (1, True), "ada-2": (1, True)}, [1, 3])


@pytest.mark.single
@pytest.mark.parametrize("later", [[], [click(200, "bob")]], ids=["without_records", "of_a_later_record"])
def test_a_batch_closes_what_was_over_when_it_was_planned(live, monkeypatch, later):
    live.click(0, click(0))
    live.run()
    live.click(200, *later)
    with monkeypatch.context() as full:
        full.setattr(session_state, "read", no_space)
        with pytest.raises(errors.StreamError, match="No space left on device"):
            live.run()
    planned = (NOON + 80 * SECOND).timestamp()  # <- an interval, the lateness and the gap after the click
    os.utime(live.checkpoint / "offsets" / "1", (planned, planned))
    live.run()
    assert live.counts()["ada-1"] == (1, False)
    live.click(200)
    live.run()
    assert live.counts()["ada-1"] == (1, True)


def test_a_click_sent_again_is_a_duplicate_and_not_late(live):
    live.clicks(*[(second, click(second)) for second in range(0, 200, 10)])
    live.click(200, click(0), click(200))  # <- of the session that goes on
    live.run()
    assert live.quarantined() == []
    assert live.counts() == {"ada-1": (21, False)}


@pytest.mark.parametrize("attempts", ["whole", "killed_twice"])
def test_what_an_attempt_has_sent_is_taken_back_by_the_next_one(live, monkeypatch, attempts):
    """The first attempts of batch 1 get fewer records, or others, than the last."""
    live.click(0, click(0), click(0, "bob"), click(0, "cyd"))
    live.run()
    live.click(40, click(40), click(40, "bob"), click(5, "cyd"), click(40, "dan"))
    put, puts = kinesis_sink.put_call, iter([True, False, True, False])

    def every_other_put(*arguments):
        if not next(puts):
            raise errors.PutError("throttled")
        put(*arguments)

    if attempts == "whole":
        live.run()
        assert live.counts()["ada-2"] == (1, False)
        live.forget(1)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(kinesis_sink, "MAX_RECORDS", 3)
            patch.setattr(kinesis_sink, "put_call", every_other_put)
            with pytest.raises(errors.StreamError, match="throttled"):
                live.run()
            live.click(40, click(20), click(20, "bob"), click(40, "bob"), click(20, "eve"), click(40, "eve"), again=1)
            with pytest.raises(errors.StreamError, match="throttled"):
                live.run()
    more = [click(second) for second in (10, 20, 30)]  # <- ada-2 never was
    live.click(40, click(40), *more, click(15, "bob"), again=1)  # <- fewer of cyd and dan, and bob-2 is another one
    live.run()
    assert live.counts() == {"ada-1": (5, False), "bob-1": (1, False), "bob-2": (1, False), "cyd-1": (1, False)}
    assert live.live()["bob-2"]["started_at"] == "2024-03-17T12:00:15.000Z"
    live.click(41, click(5, "cyd"), click(40, "bob"), click(40, "dan"))
    live.run()
    assert live.counts() == {
        "ada-1": (5, False),
        "bob-1": (1, False),
        "bob-2": (1, False),
        "bob-3": (1, False),
        "cyd-1": (2, False),
        "dan-1": (1, False),
    }


def test_a_session_that_only_an_earlier_attempt_closed_is_open_again(live):
    live.click(0, click(0))
    live.click(200, click(200, "bob"))
    live.run()
    assert live.counts() == {"ada-1": (1, True), "bob-1": (1, False)}
    live.forget(1)
    live.clicks((60, click(60, "bob")), (200, click(200, "bob")), again=1)
    live.run()
    assert live.counts() == {"ada-1": (1, False), "bob-1": (1, False), "bob-2": (1, False)}


def test_a_shard_that_an_earlier_attempt_has_read_is_still_unread(live):
    live.clicks((0, click(0)))
    live.clicks((12, click(5)), (200, click(200, "bob")))
    live.run()
    live.forget(1)
    live.click(200, click(200, "bob"), again=1)
    live.clicks((12, click(5)), (201, click(201, "bob")))
    live.run()
    assert live.counts() == {"ada-1": (2, False), "bob-1": (2, False)}


def test_a_first_batch_that_is_begun_again_with_another_gap_takes_back_what_it_has_sent(live, monkeypatch):
    clock = iter([2_000_000_000_000, 1_000_000_000_000])
    monkeypatch.setattr(kinesis_sink, "time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    live.clicks((0, click(0)), (30, click(30)), (30, "x"))
    with monkeypatch.context() as full:
        full.setattr(quarantine, "add", no_space)
        with pytest.raises(errors.StreamError, match="No space left on device"):
            live.run()
    assert live.counts() == {"ada-1": (1, False), "ada-2": (1, False)}
    live.run(gap_seconds=PositiveInt(60))
    assert live.counts() == {"ada-1": (2, False)}
    assert max(sent["version"] for sent in live.updates()) == 2_000_000_000_001


@pytest.mark.single
def test_a_batch_that_is_processed_again_sends_the_same(live, monkeypatch):
    live.click(0, click(0), click(0, "bob"))
    live.click(100, click(100), click(95, "bob"), "x")
    with monkeypatch.context() as full:
        full.setattr(quarantine, "add", no_space)
        with pytest.raises(errors.StreamError, match="No space left on device"):
            live.run()
    assert live.quarantined() == []
    live.run()
    counts = {"ada-1": (1, True), "ada-2": (1, False), "bob-1": (1, True), "bob-2": (1, False)}
    assert live.counts() == counts
    assert live.quarantined() == ["x"]
    live.forget(1)
    live.click(100, click(100), click(95, "bob"), "x", click(101), again=1)  # <- Glue reads on from where it began
    live.run()
    assert live.counts() == counts | {"ada-2": (2, False)}
    assert live.quarantined() == ["x"]


@pytest.mark.single
def test_the_items_are_those_of_the_page_for_applications(live):
    """Of docs/live-tables.md: the clicks of the first table become the items of the second."""
    clicks, items = (rows_of(table) for table in re.findall(r"(?:^\|.+\n)+", STEPS, re.MULTILINE))
    batches = {}
    for batch, arrived, user, happened, _ in clicks:
        arrivals = batches.setdefault(int(batch), [])
        if user:
            arrivals.append((second_of(arrived), click(second_of(happened), user)))
    for arrivals in batches.values():
        live.clicks(*arrivals)
    live.run()
    assert sorted(row["reasons"] for row in live.trial.quarantine()) == [["early"], ["late"]]

    updates = live.updates()
    numbers = {version: number + 1 for number, version in enumerate(sorted({sent["version"] for sent in updates}))}
    newest, changed = {}, {}
    for sent in sorted(updates, key=lambda sent: sent["version"]):
        key = (sent["user_id"], sent["session_number"])
        item = (sent["started_at"], sent["ended_at"], sent["event_count"], sent["is_closed"])
        if newest.get(key) != item:
            newest[key] = changed[numbers[sent["version"]], *key] = item
    assert changed == {
        (int(batch), user, int(number)): (
            _iso(NOON + second_of(started) * SECOND),
            _iso(NOON + second_of(ended) * SECOND),
            int(count),
            is_closed == "true",
        )
        for batch, user, number, started, ended, count, is_closed, _ in items
    }


@pytest.mark.single
def test_versions_grow_though_the_clock_is_set_back(live, monkeypatch):
    clock = iter(range(2_000_000_000_000, 0, -600_000))  # <- ten minutes back at each batch
    monkeypatch.setattr(kinesis_sink, "time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    day = 86_400
    live.click(0, click(0))
    live.click(5, click(5))
    live.run(state_ttl_days=PositiveInt(1))
    assert live.live()["ada-1"]["event_count"] == 2

    live.forget(1)
    live.click(5, click(5), click(6), again=1)  # <- Glue reads on from where it began
    live.run(state_ttl_days=PositiveInt(1))
    assert live.live()["ada-1"]["event_count"] == 3

    live.click(2 * day, "x")  # <- nobody is left in the state
    live.click(2 * day, "y")
    live.click(2 * day, click(2 * day), click(day))
    live.run(state_ttl_days=PositiveInt(1))
    assert live.live()["ada-1"]["started_at"] == "2024-03-19T12:00:00.000Z"
    assert sorted(live.quarantined()) == sorted([click(day), "x", "y"])  # <- it still knows what is late
    assert [sent["version"] - 2_000_000_000_000 for sent in live.updates() if sent.get("event_name")] == [0, 1, 2, 2, 5]


@pytest.mark.single
def test_of_the_state_two_batches_are_kept(live):
    for second in (0, 5, 10, 15):
        live.click(second, click(second))
    live.run()
    live.forget(3)
    live.run()
    assert live.states() == [2, 3, 3]  # <- two attempts
    live.click(20, click(20))
    live.run()
    assert live.states() == [3, 4]


@pytest.mark.single
def test_a_session_is_cut_at_its_maximum_over_many_batches(live):
    seconds = range(0, 9_000, 500)
    for batch in (seconds[:5], seconds[5:9], seconds[9:10], seconds[10:]):
        live.clicks(*[(second, click(second)) for second in batch])
    live.run(gap_seconds=PositiveInt(600), max_session_hours=PositiveInt(1))
    found = {name: (sent["event_count"], sent.get("split_cause")) for name, sent in live.live().items()}
    assert found == {"ada-1": (8, None), "ada-2": (7, "max_length"), "ada-3": (3, "max_length")}


@pytest.mark.single
def test_a_user_who_was_away_for_long_is_a_new_one(live):
    day = 86_400
    live.click(0, click(0))
    live.click(200, click(200, "bob"))  # <- ada-1 is closed
    live.click(day, click(day))
    live.click(day + 300, click(day + 300, "cyd"))  # <- a day after bob was here, and the lateness
    live.click(3 * day, click(3 * day, "bob"))
    live.click(3 * day, click(3 * day))
    live.run(state_ttl_days=PositiveInt(1))
    assert sorted({sent["session_id"] for sent in live.updates() if sent["user_id"] != "cyd"}) == [
        "ada-1",
        "ada-2",
        "bob-1",
    ]


@pytest.mark.single
def test_a_checkpoint_is_of_one_gap(live):
    live.click(0, click(0))
    live.run()
    live.click(1, click(1))
    with pytest.raises(errors.StreamError, match="with another gap or maximum length, begin another checkpoint"):
        live.run(gap_seconds=PositiveInt(60))
    live.run()
    assert live.counts() == {"ada-1": (2, False)}


@pytest.mark.single
def test_without_a_checkpoint_it_begins_anew(live):
    live.clicks((0, click(0)), (100, click(100)))
    live.run()
    shutil.rmtree(live.checkpoint)
    live.run()
    assert live.counts() == {"ada-1": (1, False), "ada-2": (1, False)}


@pytest.mark.single
def test_what_a_client_can_send_does_not_stop_the_stream(live):
    broken = ["", "x", "[]", click(0, ""), click(0, "u" * 2029), click(0, 7.5), '{"user_id": "ada"}', "\ufffd"]
    live.click(0, *broken, click(0, "u" * 2028), click(0, event_name="n" * 1_000_000))
    live.run()
    assert live.quarantined() == sorted(broken)
    assert live.counts() == {"ada-1": (1, False), "u" * 2028 + "-1": (1, False)}


@pytest.mark.single
def test_late_clicks_come_back_through_the_raw_archive(live):
    live.click(0, click(0), "x")
    live.click(100, click(100))
    over_lines = "{\n" + click(15)[1:].replace("ada@15", "Shoes\nred")
    live.click(101, click(8), over_lines)  # <- late: one closed session it would be
    live.run()
    assert live.quarantined() == sorted(["x", click(8), over_lines])

    archive = live.trial.folder / "archive"
    counts = live.trial.replay("live_sessions", raw_path=Folder(str(archive)))
    assert (counts["read"], counts["written"], counts["quarantined"]) == (3, 2, 1)
    assert live.trial.replay("live_sessions", raw_path=Folder(str(archive)))["written"] == 0
    assert [row["raw"] for row in live.trial.quarantine() if not row["replayed_at"]] == ["x"]

    (archive / "arrived=2024-03-17" / "all.jsonl").write_text(f"{click(0)}\n{click(8)}\n{click(100)}\n")
    live.trial.sessions_batch(source="clicks", raw_path=str(archive), gap_seconds=10)
    assert {row["session_id"]: row["event_count"] for row in live.trial.sessions()} == {"ada-1": 3, "ada-2": 1}
    assert "Shoes\nred" in {row["event_name"] for row in live.trial.session_events()}


@pytest.mark.slow
@pytest.mark.single
def test_a_record_that_cannot_be_processed_is_quarantined_and_the_stream_goes_on(live, monkeypatch):
    with_sessions = sessions.with_sessions

    def defect(clicks, window):
        return with_sessions(clicks.withColumn("event_name", fails_for(F.col("event_name"), "bob@1")), window)

    monkeypatch.setattr(sessions, "with_sessions", defect)
    live.click(0, click(0), click(0, "bob"))
    live.click(2, click(1), click(1, "bob"), click(2, "bob"))
    live.click(3, click(3))
    live.run()
    assert live.counts() == {"ada-1": (3, False), "bob-1": (2, False)}
    assert live.quarantined() == [click(1, "bob")]


@pytest.mark.single
def test_a_stream_that_is_not_there_is_named(live):
    live.click(0, click(0))
    with pytest.raises(errors.StreamError, match="stream nowhere does not exist"):
        live.run(sessions_stream="nowhere")


def test_live_sessions_are_those_of_the_archive_and_of_the_rules(live):
    """Of two shards, one minutes behind: clicks up to the allowance late or early, sent again, and read again."""
    random = Random(1)
    gap, lateness = timedelta(seconds=10), 60
    shards, again = ([], []), set()
    for second in random.choices(range(400), k=900):
        arrived, text = second + random.randint(-lateness, lateness), click(second, f"u{random.randrange(40)}")
        shards[random.randrange(2)].append((arrived, text))
        if random.random() < 0.05:
            shards[random.randrange(2)].append((arrived + random.randint(1, 2 * lateness), text))
            again.add(text)
    for shard in shards:
        shard.sort()
    read = [0, 0]

    def some(most):
        """Read on, of the shard that is behind at least one record."""
        left = [shard[at:] for shard, at in zip(shards, read, strict=True)]
        slowest = min((rows[0][0], number) for number, rows in enumerate(left) if rows)[1]
        return [min(len(rows), random.randrange(number == slowest, most[number])) for number, rows in enumerate(left)]

    def rows(counts):
        return [row for shard, at, n in zip(shards, read, counts, strict=True) for row in shard[at : at + n]]

    batch, most = 0, (200, 80)
    while any(at < len(shard) for shard, at in zip(shards, read, strict=True)):
        counts = some(most)
        if batch in {1, 3, 4}:  # <- what it reads first is less, or more
            live.clicks(*rows(some(most)))
            live.run()
            live.forget(batch)
            live.clicks(*rows(counts), again=batch)
        else:
            live.clicks(*rows(counts))
        read, batch = [at + n for at, n in zip(read, counts, strict=True)], batch + 1
    live.run()

    texts = {text for shard in shards for _, text in shard}
    archive_by_function(live.trial, [text.encode() for shard in shards for _, text in shard], at=NOON)
    live.trial.sessions_batch(source="clicks", raw_path=str(live.trial.raw), gap_seconds=10)
    columns = ("user_id", "session_number", "session_id", "session_key", "event_count")
    found = sorted(tuple(sent[name] for name in columns) for sent in live.live().values())
    assert found == sorted(tuple(row[name] for name in columns) for row in live.trial.sessions())

    activity = [
        {"user_id": sent["user_id"], "event_uuid": text, "event_time": _utc(sent["event_timestamp"])}
        for text, sent in ((text, json.loads(text)) for text in texts)
    ]
    by_rules = {}
    for row in sessions_oracle.session_events(activity, gap, timedelta(hours=24)):
        by_rules.setdefault(row["session_id"], []).append(row["event_time"])
    assert {name: (len(times), _iso(times[0]), _iso(times[-1])) for name, times in by_rules.items()} == {
        name: (sent["event_count"], sent["started_at"], sent["ended_at"]) for name, sent in live.live().items()
    }
    assert set(live.quarantined()) < again  # <- sent again after their session was closed


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.mark.single
@pytest.mark.parametrize("source", ["clicks", "app_clicks", "visits"])
def test_records_of_the_corpus_have_their_outcome(live, source):
    simulated = [(line, [VALID]) for _, _, line in arrivals(source, Options(rows=40, duplicates=0, malformed=0))]
    records = [*corpus(source), *simulated]
    assert len(records) > 200
    expected = expected_outcomes(records)
    live.put(*[record for record, _ in records], at=ARRIVED)
    live.run(source=source, allowed_lateness_seconds=8000 * 366 * 86_400)  # <- none is late or early
    assert quarantined(live.trial, "kinesis:") == Counter({pair: n for pair, n in expected.items() if pair[1]})
    sent = [update for update in live.updates() if "event_uuid" in update]
    assert Counter(update["user_id"] for update in sent) == Counter(users(expected))
