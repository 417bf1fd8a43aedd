"""Raw events -> the events table: merging, rebuilding, and what makes a run fail."""

import gzip
import json
from datetime import date
from pathlib import Path

import pytest
from trial import event

from clickstream import errors
from clickstream.storage import iceberg
from clickstream.transforms import events

WEBHOOKS = Path(__file__).parent.parent.parent / "examples" / "github_webhook_events.jsonl.gz"
DAY = 86_400_000
THE_17TH = 1_710_670_530_000  # 10:15:30Z
THE_18TH, THE_19TH = THE_17TH + DAY, THE_17TH + 2 * DAY
EARLIER, NOW, LATER = "arrived=2024-03-19/10/a.json", "arrived=2024-03-19/11/a.json", "arrived=2024-03-19/12/a.json"


def uuids(trial):
    return sorted(row["event_uuid"] for row in trial.events())


def test_github_webhooks_are_loaded_byte_for_byte(trial):
    sent = gzip.decompress(WEBHOOKS.read_bytes()).decode().splitlines()
    counts = trial.events_batch(raw_path=str(WEBHOOKS))
    assert (counts["read"], counts["written"], counts["quarantined"]) == (329, 329, 0)

    rows = trial.events()
    assert sorted(row["payload"] for row in rows) == sorted(sent)
    for row in rows:
        webhook = json.loads(row["payload"])
        event_type, _, subtype = webhook["event_name"].partition(":")
        assert row["event_uuid"] == webhook["event_uuid"]
        assert row["event_name"] == webhook["event_name"]
        assert (row["event_type"], row["event_subtype"]) == (event_type, subtype or None)
        assert row["created_at"] == webhook["created_at"] * 1000
        assert row["created_ts"] == row["created_datetime"].replace(".000Z", "Z")


def test_an_earlier_arrival_that_comes_later_takes_the_rows_place(trial):
    trial.send([event("a", note="later"), event("b")], LATER)
    trial.events_batch(raw_path=str(trial.raw / LATER))
    trial.send([event("a", note="now")], NOW)
    trial.send([event("a", note="earlier"), event("a", note="as early, but larger")], EARLIER)

    counts = trial.events_batch()
    assert (counts["read"], counts["written"], counts["replaced"], counts["duplicate"]) == (5, 1, 1, 4)
    kept = {row["event_uuid"]: (row["payload"], row["arrived_at"]) for row in trial.events()}
    assert kept == {
        "a": (event("a", note="as early, but larger"), "2024-03-19T10:00:00Z"),
        "b": (event("b"), "2024-03-19T12:00:00Z"),
    }


def test_a_rerun_that_adds_nothing_commits_nothing(spark, trial):
    trial.send([event("a"), "x"])
    trial.events_batch()
    published = f"select snapshot_id from {trial.events_table}.refs where name = 'main'"
    before = spark.sql(published).collect()
    assert trial.events_batch()["written"] == 0
    assert spark.sql(published).collect() == before


def test_rebuild_replaces_exactly_its_dates(trial):
    gone = event("gone", at=THE_18TH)
    trial.send([event("before", at=THE_18TH - DAY), gone, event("kept", at=THE_18TH), event("after", at=THE_19TH)])
    trial.events_batch()
    assert uuids(trial) == ["after", "before", "gone", "kept"]

    trial.send([event("kept", at=THE_18TH), event("new", at=THE_18TH), event("another_day", at=THE_19TH), "x"])
    the_18th = {"mode": "rebuild", "start_date": date(2024, 3, 18), "end_date": date(2024, 3, 18)}
    counts = trial.events_batch(**the_18th)
    assert (counts["read"], counts["written"], counts["skipped_dates"], counts["quarantined"]) == (4, 2, 1, 1)
    assert uuids(trial) == ["after", "before", "kept", "new"]  # <- gone is gone, the other days are as they were

    rows = trial.events()
    assert trial.events_batch(**the_18th)["written"] == 2
    assert trial.events() == rows
    assert len(trial.quarantine()) == 1


def test_rebuild_empties_a_date_that_raw_no_longer_has(trial):
    trial.send([event("a", at=THE_17TH), event("b", at=THE_18TH), event("c", at=THE_19TH)])
    trial.events_batch()
    trial.send([event("c", at=THE_19TH)])
    trial.events_batch(mode="rebuild", start_date=date(2024, 3, 17), end_date=date(2024, 3, 18))
    assert uuids(trial) == ["c"]


def test_rebuild_without_dates_replaces_those_that_raw_holds(trial):
    trial.send([event("a", at=THE_17TH), event("b", at=THE_18TH), event("gone", at=THE_18TH)])
    trial.events_batch()
    trial.send([event("b", at=THE_18TH), event("c", at=THE_19TH)])
    trial.events_batch(mode="rebuild")
    assert uuids(trial) == ["a", "b", "c"]


def test_rebuild_keeps_what_arrived_too_late_to_be_archived(trial):
    the_18th, the_19th = "arrived=2024-03-18/02/a.jsonl", "arrived=2024-03-19/02/a.jsonl"
    trial.send([event("wrong", at=THE_18TH)], the_18th)
    trial.send([event("both", at=THE_18TH), event("late", at=THE_18TH)], the_19th)
    trial.events_batch()

    trial.send([event("right", at=THE_18TH)], the_18th)
    trial.send([event("both", at=THE_18TH, user_id="ada")], the_19th)  # <- late is not archived as yet
    night = {"mode": "rebuild", "start_date": date(2024, 3, 18), "end_date": date(2024, 3, 18)}
    for _ in range(2):
        trial.events_batch(**night, keep_arrived_since=date(2024, 3, 19))
        users = {row["event_uuid"]: row["user_id"] for row in trial.events()}
        assert users == {"both": "ada", "late": None, "right": None}
    trial.events_batch(**night)
    assert uuids(trial) == ["both", "right"]


def test_only_a_rebuild_is_told_what_to_keep(trial):
    with pytest.raises(errors.ArgumentError, match="--keep_arrived_since is of --mode rebuild"):
        trial.events_batch(keep_arrived_since=date(2024, 3, 19))


def test_merge_takes_only_the_dates_asked_for(trial):
    trial.send([event(name, at=at) for name, at in (("a", THE_17TH), ("b", THE_18TH), ("c", THE_19TH))])
    assert trial.events_batch(end_date=date(2024, 3, 17))["skipped_dates"] == 2
    assert uuids(trial) == ["a"]
    assert trial.events_batch(start_date=date(2024, 3, 19))["skipped_dates"] == 2
    assert uuids(trial) == ["a", "c"]


def test_dates_in_the_wrong_order_are_quarantined(trial):
    with pytest.raises(errors.ArgumentError, match="--start_date 2024-03-18 is after --end_date 2024-03-17"):
        trial.events_batch(start_date=date(2024, 3, 18), end_date=date(2024, 3, 17))


def test_too_much_quarantined_commits_nothing(trial):
    trial.send([event("a")])
    trial.events_batch()
    before = trial.events(), trial.quarantine(), trial.runs()
    trial.send([event("b"), "x"], "second.json")
    with pytest.raises(errors.QuarantineRatioError, match=r"1 of 3 rows break rules \(not_a_json_object 1\)"):
        trial.events_batch(max_quarantined_ratio=0.33)
    assert (trial.events(), trial.quarantine(), trial.runs()) == before

    trial.events_batch(max_quarantined_ratio=0.34)
    assert uuids(trial) == ["a", "b"]


def test_another_writers_commit_meanwhile_fails_the_run_and_nothing_is_lost(trial, monkeypatch):
    fast = trial.send([event("fast")], "fast.json")
    slow = trial.send([event("slow")], "slow.json")
    publish = iceberg.Branch.publish

    def overtaken(branch):  # a whole run of another writer just before ours ends
        monkeypatch.undo()
        trial.events_batch(raw_path=str(fast))
        publish(branch)

    monkeypatch.setattr(iceberg.Branch, "publish", overtaken)
    with pytest.raises(errors.ConcurrentCommitError):
        trial.events_batch(raw_path=str(slow))
    assert uuids(trial) == ["fast"]
    assert len(trial.runs()) == 1

    trial.events_batch(raw_path=str(slow))
    assert uuids(trial) == ["fast", "slow"]


def test_two_runs_at_once_quarantine_a_row_once(trial, monkeypatch):
    trial.send(["x"])
    publish, overtaken = iceberg.Branch.publish, []

    def late(branch):  # a whole run of another writer just before ours adds its row
        if "quarantine" in branch.table and not overtaken:
            overtaken.append(branch)
            trial.events_batch()
        publish(branch)

    monkeypatch.setattr(iceberg.Branch, "publish", late)
    trial.events_batch()
    assert overtaken
    assert [row["raw"] for row in trial.quarantine()] == ["x"]


def test_paths_and_tables_are_disjoint(trial):
    for table in ("events", "quarantine"):
        with pytest.raises(errors.ArgumentError, match=rf"--raw_path \S+ lies in --{table}_table"):
            trial.events_batch(raw_path=str(trial.folder / table / "data"))


def test_an_empty_folder_is_a_run_of_nothing(trial):
    counts = trial.events_batch()
    assert counts.pop("quarantined_by_reason") == {}
    assert set(counts.values()) == {0}
    assert trial.events() == trial.quarantine() == []


def test_a_missing_path_and_a_missing_table_are_named(trial):
    with pytest.raises(errors.InputError, match=r"--raw_path .*nowhere does not exist"):
        trial.events_batch(raw_path=str(trial.raw / "nowhere"))
    with pytest.raises(errors.InputError, match=r"--raw_path .*\[: Illegal file pattern: .*"):
        trial.events_batch(raw_path=str(trial.raw / "["))
    trial.send([event("a")])
    for table in ("events_table", "quarantine_table"):
        with pytest.raises(errors.TableError, match=r"table lake\.clickstream\.nowhere does not exist"):
            trial.events_batch(**{table: "nowhere"})


def test_a_table_with_another_schema_is_left_alone(spark, trial):
    spark.sql(f"alter table {trial.events_table} rename column payload to body")
    trial.send([event("a")])
    with pytest.raises(errors.TableError, match="it lacks payload string and has body string"):
        trial.events_batch()
    assert trial.events() == []


def test_every_reason_is_one_that_a_run_can_report(trial):
    compressed, aggregated = gzip.compress(b"{}", mtime=0), bytes.fromhex("f3899ac2 0a 01 61")
    trial.send(["", "x", "{}", event("u" * 129, 42, "soon"), event(1.5, "a", 1), event("u", "/", 0)])
    trial.send([event("u\t1", user_id=1.5), event("v", user_id="\0" + "u" * 2029)], "users.json")
    trial.send([compressed, aggregated], "binary.json")
    by_reason = trial.events_batch()["quarantined_by_reason"]
    assert set(by_reason) == set(events.rules())
    assert (by_reason["gzip_compressed"], by_reason["kpl_aggregated"], by_reason["not_utf8"]) == (1, 1, 2)


def test_a_torn_file_ends_the_run_before_anything_is_committed(trial):
    trial.send([event("a")], NOW)
    trial.send_bytes(gzip.compress(event("b", note="x" * 99_999).encode())[:150], "torn.json.gz")
    with pytest.raises(errors.InputError, match=r"raw/torn.json.gz cannot be read: Unexpected end of input stream"):
        trial.events_batch()
    (trial.raw / "torn.json.gz").rename(trial.raw / "torn.snappy")
    with pytest.raises(errors.InputError, match=r"raw/torn.snappy is not read: files must be plain, or by"):
        trial.events_batch()
    assert trial.events() == trial.quarantine() == []
