"""What a job reports, in words."""

import json
import sys

import pytest

from local import summary
from local.progress import ERASE

REPORT = {"job": "events_batch", "arguments": {"run_reports_path": "lake/run_reports"}, "counts": {}}


def written(counts):
    return summary.words(json.dumps(REPORT | {"counts": counts})).splitlines()


def test_a_run_is_a_sum_with_its_three_most_frequent_reasons():
    reasons = {"late": 4, "not_utf8": 90, "a": 5, "b": 5}
    counts = {"read": 102_345, "written": 100_012, "duplicate": 2_233, "quarantined": 100, "skipped_dates": 0}
    assert written({**counts, "replaced": 3, "conflict": 0, "quarantined_by_reason": reasons}) == [
        (
            "events_batch: read 102,345 = written 100,012 + duplicate 2,233"
            " + quarantined 100 (not_utf8 90, a 5, b 5, 1 more); replaced 3"
        ),
        "events_batch: reported in lake/run_reports/events_batch",
    ]


def test_a_run_that_read_nothing_says_so():
    assert written({"read": 0, "written": 0, "quarantined": 0, "quarantined_by_reason": {}})[0].endswith("read 0 = 0")


def test_upkeep_is_a_sentence_for_each_table():
    assert written({"events": {"compacted": 3, "expired": 0}, "sessions": {"compacted": 0}})[:2] == [
        "events_batch: events: compacted 3",
        "events_batch: sessions: nothing to do",
    ]


def test_a_batch_is_told_by_its_metrics():
    metrics = {"Read": 3, "Written": 2, "Duplicate": 0, "Quarantined": 1, "Conflict": 0, "BatchDuration": 1.24}
    line = {"_aws": {}, "Job": "events_stream", "batch": "7", **metrics, "quarantined_by_reason": {"late": 1}}
    assert summary.words(json.dumps(line)) == (
        "events_stream: batch 7 took 1.2 s; read 3 = written 2 + quarantined 1 (late 1)"
    )


@pytest.mark.parametrize("line", ["", "done", "[1]", '"counts"', "{", '{"counts": 1}', "null"])
def test_other_lines_are_passed_on(line):
    assert summary.words(line) == line


def test_json_stays_where_nobody_looks(capsys):
    with summary.in_words():
        print(json.dumps(REPORT))
    assert json.loads(capsys.readouterr().out) == REPORT


def test_a_terminal_gets_words(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with summary.in_words():
        print(json.dumps(REPORT | {"counts": {"read": 1, "written": 1, "quarantined_by_reason": {}}}), flush=True)
        print("as it is\nunended", end="")
    assert capsys.readouterr().out.replace(ERASE, "").splitlines() == [
        "events_batch: read 1 = written 1",
        "events_batch: reported in lake/run_reports/events_batch",
        "as it is",
        "unended",
    ]
