"""Every folder ``golden/<job>/<case>``: its files go in, its ``<table>.jsonl`` must come out, however often it is run.

``counts.json`` holds the counts of the first run that the case is about. A file outside ``arrived=…`` arrives on
2024-03-20 at 12:00.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from trial import Row, Trial, as_text

GOLDEN = Path(__file__).parent / "golden"
TABLES = ("events", "clickstream", "session_events", "sessions", "quarantine")
EXPECTED = {*(f"{table}.jsonl" for table in TABLES), "counts.json"}


@pytest.mark.parametrize("case", sorted(GOLDEN.glob("*/*/")), ids=lambda case: f"{case.parent.name}-{case.name}")
def test_golden(case: Path, trial: Trial):
    for file in case.rglob("*"):
        if file.is_file() and file.name not in EXPECTED:
            trial.send_bytes(file.read_bytes(), str(file.relative_to(case)))
    run = getattr(trial, case.parent.name)

    counts = run()
    expected = json.loads((case / "counts.json").read_text())
    assert {name: counts[name] for name in expected} == expected
    compare(trial, case)

    again = run()
    assert again["written"] == again.get("replaced", 0) == 0
    assert again["quarantined"] == (counts["quarantined"] if again["read"] else 0)
    compare(trial, case)


def compare(trial: Trial, case: Path) -> None:
    for file in case.glob("*.jsonl"):
        if file.name in EXPECTED:
            expected = [json.loads(line) for line in file.read_bytes().splitlines()]
            assert reproducible(getattr(trial, file.stem)()) == sorted(expected, key=as_text), file


def reproducible(rows: list[Row]) -> list[dict[str, Any]]:
    """Leave out what a run or its paths decide."""
    varying = {"quarantine_id", "origin", "quarantined_at"}
    return sorted(({name: row[name] for name in row if name not in varying} for row in rows), key=as_text)
