"""Raw visits -> the clickstream table: only ever added to."""

import pytest
from trial import visit

from clickstream import errors
from clickstream.storage import files

LATE = "arrived=2024-03-18/02/late.json"


def visitors(trial):
    return sorted((row["event_date"], row["user_id"]) for row in trial.clickstream())


def test_a_late_visit_does_not_erase_its_day(trial):
    first = trial.send([visit("ada"), visit("bob")], "arrived=2024-03-17/11/a.json")
    trial.clickstream_batch(raw_path=str(first))
    late = trial.send([visit("cyd"), visit("ada"), visit("dan", "2024-03-18T01:00:00Z")], LATE)
    counts = trial.clickstream_batch(raw_path=str(late))
    assert (counts["written"], counts["duplicate"]) == (2, 1)
    assert visitors(trial) == [
        ("2024-03-17", "ada"),
        ("2024-03-17", "bob"),
        ("2024-03-17", "cyd"),
        ("2024-03-18", "dan"),
    ]


def test_too_much_quarantined_commits_nothing(trial):
    trial.send([visit("ada")])
    trial.clickstream_batch()
    before = trial.clickstream(), trial.quarantine(), trial.runs()
    trial.send([visit("bob"), "x"], "second.json")
    with pytest.raises(errors.QuarantineRatioError, match="nothing was committed"):
        trial.clickstream_batch(max_quarantined_ratio=0.33)
    assert (trial.clickstream(), trial.quarantine(), trial.runs()) == before


def test_a_run_that_dies_between_two_files_is_completed_by_the_next(trial, monkeypatch):
    days = range(10, 20)
    trial.send([*(visit("ada", f"2024-03-{day}T10:00:00Z") for day in days), "x", "x"])
    move, moved = files.move, []

    def dies_after_two(fs, source, target):  # at the edge: the file system says no
        if target.getName() in moved or len(moved) == 2:
            raise OSError("No space left on device")
        move(fs, source, target)
        if "event_date" in target.toString():
            moved.append(target.getName())

    monkeypatch.setattr(files, "move", dies_after_two)
    with pytest.raises(OSError, match="No space left"):
        trial.clickstream_batch()
    monkeypatch.undo()
    assert 0 < len(trial.clickstream()) < len(days)
    assert not trial.runs()

    counts = trial.clickstream_batch()
    assert counts["written"] + counts["duplicate"] == len(days)
    assert visitors(trial) == [(f"2024-03-{day}", "ada") for day in days]
    assert [row["raw"] for row in trial.quarantine()] == ["x", "x"]


def test_an_empty_folder_is_a_run_of_nothing(trial):
    counts = trial.clickstream_batch()
    assert counts.pop("quarantined_by_reason") == {}
    assert set(counts.values()) == {0}
    assert trial.clickstream() == trial.quarantine() == []


def test_a_missing_path_is_named(trial):
    with pytest.raises(errors.InputError, match="nowhere does not exist"):
        trial.clickstream_batch(raw_path=str(trial.raw / "nowhere"))
