"""Whatever comes in, in whatever order and however it is chopped into runs: the tables end the same, nothing is lost.

The expected tables are computed in plain Python from the rules, not by another run.
"""

import base64
import dataclasses
import json
from collections import Counter
from collections.abc import Callable

import properties
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trial import Trial, event, visit

DAY = 86_400_000
T = 1_710_670_530_000  # 2024-03-17T10:15:30Z
SAME_TIMES = {T: T, T // 1000: T, T * 1000: T, f"{T}": T, T + 1: T + 1, T + DAY: T + DAY}  # as sent -> Unix ms
SAME_INSTANTS = {
    "2024-03-17T10:15:30Z": "2024-03-17T10:15:30Z",
    "2024-03-17 10:15:30": "2024-03-17T10:15:30Z",
    "2024-03-17T11:15:30+01:00": "2024-03-17T10:15:30Z",
    T // 1000: "2024-03-17T10:15:30Z",
    "2024-03-18T00:00:00Z": "2024-03-18T00:00:00Z",
}
BAD = {
    "": ["empty"],
    "x": ["not_a_json_object"],
    event("a") + event("b"): ["not_a_json_object"],
}
BAD_EVENTS = BAD | {event("a", "/", 0): ["event_type_invalid", "created_at_out_of_range"]}
BAD_VISITS = BAD | {visit("", "soon"): ["user_id_missing", "event_time_not_a_time"]}


@dataclasses.dataclass(frozen=True)
class File:
    """A raw file: the run that finds it, the hour it arrived in, and its lines, each with what it says."""

    run: int
    hour: int
    lines: list[tuple[str, tuple]]

    @property
    def arrived_at(self) -> str:
        return f"2024-03-18T{self.hour:02}:00:00Z"


def events_and_bad_lines() -> st.SearchStrategy:
    good = st.tuples(
        st.sampled_from("abcd"), st.sampled_from(list(SAME_TIMES)), st.sampled_from(["x", "Z", "é", "\uff5e", "😀"])
    )
    return good.map(lambda said: (event(said[0], at=said[1], note=said[2]), said)) | bad_lines(BAD_EVENTS)


def visits_and_bad_lines() -> st.SearchStrategy:
    good = st.tuples(st.sampled_from("abc"), st.sampled_from(list(SAME_INSTANTS)), st.sampled_from([None, "Firefox"]))
    return good.map(lambda said: (visit(said[0], said[1], browser=said[2]), said)) | bad_lines(BAD_VISITS)


def bad_lines(bad: dict) -> st.SearchStrategy:
    return st.sampled_from(list(bad)).map(lambda line: (line, ()))


def chopped(lines: st.SearchStrategy) -> st.SearchStrategy:
    """Two files in each of three runs, from three hours; what arrived earlier may well be found later."""
    file_of = [
        st.builds(File, st.just(run), st.integers(9, 11), st.lists(lines, min_size=5, max_size=20)) for run in range(3)
    ]
    return st.tuples(*file_of, *file_of).map(list)


def run_all(trial: Trial, job: str, files: list[File]) -> None:
    for number, file in enumerate(files):
        trial.send([line for line, _ in file.lines], f"run-{file.run}/arrived=2024-03-18/{file.hour:02}/{number}.json")
    for run in sorted({file.run for file in files}):
        getattr(trial, job)(raw_path=str(trial.raw / f"run-{run}"))


def expected_quarantine(files: list[File], bad: dict) -> Counter:
    return Counter((line, tuple(bad[line])) for file in files for line, said in file.lines if not said)


def quarantined(trial: Trial) -> Counter:
    return Counter((row["raw"], tuple(row["reasons"])) for row in trial.quarantine())


@pytest.mark.slow
@properties.of_runs(2)
@given(files=chopped(events_and_bad_lines()))
def test_events_end_as_if_they_had_come_at_once(new_trial, files):
    trial = new_trial()
    run_all(trial, "events_batch", files)

    kept = {}
    for file in files:
        for line, said in file.lines:
            if said:
                key = said[0], SAME_TIMES[said[1]]
                kept[key] = min(kept.get(key, (file.arrived_at, line.encode())), (file.arrived_at, line.encode()))
    actual = {
        (row["event_uuid"], row["created_at"]): (row["arrived_at"], row["payload"].encode()) for row in trial.events()
    }
    assert len(trial.events()) == len(actual)
    assert actual == kept
    assert quarantined(trial) == expected_quarantine(files, BAD_EVENTS)


@pytest.mark.slow
@properties.of_runs(2)
@given(files=chopped(visits_and_bad_lines()))
def test_visits_end_as_if_they_had_come_at_once(new_trial, files):
    trial = new_trial()
    run_all(trial, "clickstream_batch", files)

    kept = {(said[0], SAME_INSTANTS[said[1]], said[2]) for file in files for _, said in file.lines if said}
    rows = [(row["user_id"], row["event_time"], row["browser"]) for row in trial.clickstream()]
    assert Counter(rows) == Counter(kept)
    assert quarantined(trial) == expected_quarantine(files, BAD_VISITS)


def any_lines(good: Callable[[str], str]) -> st.SearchStrategy:
    """Random bytes, and good lines with random bytes spliced in; a line feed would make two lines of one."""
    random_bytes = st.binary(max_size=30)
    spliced = st.tuples(st.integers(0, 10**9), st.integers(0, 80), st.integers(0, 4), random_bytes).map(
        lambda drawn: (
            good(f"u{drawn[0]}").encode()[: drawn[1]] + drawn[3] + good(f"u{drawn[0]}").encode()[sum(drawn[1:3]) :]
        )
    )
    plain = st.integers(0, 10**9).map(lambda number: good(f"u{number}").encode())
    line = (random_bytes | spliced | plain | st.text(max_size=20).map(str.encode)).map(
        lambda line: line.replace(b"\n", b"\r")
    )
    return st.lists(line, min_size=60, max_size=200)


def accepted_lines(lines: list[bytes], trial: Trial, counts: dict) -> Counter:
    """Return the lines that are not in quarantine, when every line has one outcome."""
    sent = Counter(line.removesuffix(b"\r") for line in lines)
    outcomes = ("written", "duplicate", "quarantined", "skipped_dates", "skipped_anonymous")
    assert counts["read"] == sum(counts[outcome] for outcome in outcomes) == sent.total()

    quarantined_lines = Counter()
    for row in trial.quarantine():
        quarantined_lines[base64.b64decode(row["raw"]) if row["is_base64"] else row["raw"].encode()] += 1
    assert quarantined_lines.total() == counts["quarantined"]
    assert not quarantined_lines - sent
    accepted = sent - quarantined_lines
    assert accepted.total() == counts["written"] + counts["duplicate"]
    return accepted


@pytest.mark.slow
@properties.of_runs(2)
@given(lines=any_lines(lambda uuid: event(uuid, note="größe")))
def test_any_bytes_become_an_event_or_a_quarantined_row(new_trial, lines):
    trial = new_trial()
    trial.send([b"first", *lines])
    counts = trial.events_batch()
    accepted = accepted_lines([b"first", *lines], trial, counts)
    stored = {row["payload"].encode() for row in trial.events()}
    assert len(trial.events()) == counts["written"]
    assert stored <= set(accepted)
    assert len(set(accepted) - stored) <= counts["duplicate"]


@pytest.mark.slow
@properties.of_runs(2)
@given(lines=any_lines(lambda user: visit(user, page_url="größe")))
def test_any_bytes_become_a_visit_or_a_quarantined_row(new_trial, lines):
    trial = new_trial()
    trial.send([b"first", *lines])
    counts = trial.clickstream_batch()
    accepted = accepted_lines([b"first", *lines], trial, counts)
    assert len(trial.clickstream()) == counts["written"]
    users = {json.loads(line, strict=False)["user_id"] for line in accepted}
    assert {row["user_id"] for row in trial.clickstream()} == {str(user) for user in users}
