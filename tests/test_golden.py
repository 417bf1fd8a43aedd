"""Every folder ``golden/<job>/<case>``: its files go in, its ``<table>.jsonl`` must come out, however often it is run.

``counts.json`` holds the counts that the case is about. A file outside ``arrived=…`` arrives on 2024-03-20 at 12:00.
Cases of a job that share no key share a run: rows find their case by their key, quarantined ones by their file.
``make golden CASE=<job>/<case>`` writes the expected files of a new case, for review.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from trial import Row, Trial, as_text

GOLDEN = Path(__file__).parent / "golden"
KEYS = {  # of a line
    "events_batch": "event_uuid",
    "clickstream_batch": "user_id",
    "page_counts_batch": "page_url",
    "sessions_batch": "user_id",
}
COLUMNS = {**KEYS, "page_counts_batch": "page"}  # that hold the key
REBUILD = {"page_counts_batch"}  # write all again
TABLES = {
    "events_batch": ("events", "quarantine"),
    "clickstream_batch": ("clickstream", "quarantine"),
    "page_counts_batch": ("page_counts", "quarantine"),
    "sessions_batch": ("session_events", "sessions", "quarantine"),
}
EXPECTED = {*(f"{table}.jsonl" for tables in TABLES.values() for table in tables), "counts.json"}
OF_SUM = ("read", "written", "duplicate", "quarantined", "skipped_dates", "skipped_anonymous")
VARYING = {"quarantine_id", "origin", "quarantined_at", "replayed_at", "batch"}  # what a run or its paths decide


@dataclass(frozen=True)
class Case:
    """A folder of ``golden``."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def job(self) -> str:
        return self.folder.parent.name

    @property
    def inputs(self) -> list[Path]:
        return [file for file in sorted(self.folder.rglob("*")) if file.is_file() and file.name not in EXPECTED]

    @property
    def keys(self) -> set[str]:
        """The keys that its lines can have in a table; what is no object has none."""
        found = set()
        for file in self.inputs:
            content = file.read_bytes()
            for line in (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).split(b"\n"):
                try:
                    sent = json.loads(line)
                except ValueError:
                    continue
                if isinstance(sent, dict) and sent.get(KEYS[self.job]) not in (None, ""):
                    found.add(str(sent[KEYS[self.job]]).strip())
        return found

    @property
    def counts(self) -> dict[str, Any]:
        return json.loads((self.folder / "counts.json").read_text())

    def rows(self, run: "Run", table: str) -> list[Row]:
        """Pick the rows of a table that are of this case."""
        if table == "quarantine":
            own = [row for row in run.tables[table] if f"/{self.name}/" in row["origin"] or len(run.cases) == 1]
        else:
            keys = self.keys
            own = [row for row in run.tables[table] if row[COLUMNS[self.job]] in keys]
        rows = [{name: value for name, value in row.items() if name not in VARYING} for row in own]
        return sorted(rows, key=as_text)


@dataclass(frozen=True)
class Run:
    """A run of cases that share no key: its counts, and the tables after it."""

    cases: list[Case]
    counts: Row
    tables: dict[str, list[Row]]


CASES = [Case(folder) for folder in sorted(GOLDEN.glob("*/*/"))]


def groups(job: str) -> list[list[Case]]:
    """Put cases into as few runs as their keys allow."""
    made: list[list[Case]] = []
    for case in CASES:
        if case.job == job:
            group = next((group for group in made if all(case.keys.isdisjoint(other.keys) for other in group)), None)
            if group is None:
                made.append(group := [])
            group.append(case)
    return made


@pytest.fixture(scope="module")
def run_twice(spark, tmp_path_factory) -> Callable[[Case], tuple[Run, Run]]:
    @cache
    def runs(job: str, number: int) -> tuple[Run, Run]:
        trial, cases = Trial(spark, tmp_path_factory.mktemp("golden")), groups(job)[number]
        for case in cases:
            for file in case.inputs:
                trial.send_bytes(file.read_bytes(), f"{case.name}/{file.relative_to(case.folder)}")
        return run(trial, job, cases), run(trial, job, cases)

    def run(trial: Trial, job: str, cases: list[Case]) -> Run:
        counts = getattr(trial, job)()
        return Run(cases, counts, {table: getattr(trial, table)() for table in TABLES[job]})

    return lambda case: runs(case.job, next(n for n, group in enumerate(groups(case.job)) if case in group))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.job}-{case.name}")
def test_golden(case: Case, run_twice, request):
    first, again = run_twice(case)
    if request.config.getoption("write_expected"):
        write(case, first)
    for run in (first, again):
        for table in TABLES[case.job]:
            file = case.folder / f"{table}.jsonl"
            if file.exists():
                expected = [json.loads(line) for line in file.read_bytes().splitlines()]
                assert case.rows(run, table) == sorted(expected, key=as_text), file
    assert counts_of(case, first).items() <= case.counts.items()
    written_again = first.counts["written"] if case.job in REBUILD else 0
    assert (again.counts["written"], again.counts.get("replaced", 0)) == (written_again, 0)
    assert len(again.tables["quarantine"]) == len(first.tables["quarantine"])


@pytest.mark.parametrize(
    ("job", "number"), [(job, number) for job in KEYS for number in range(len(groups(job)))], ids=str
)
def test_counts_of_a_run_are_the_sum_of_its_cases(job, number, run_twice):
    first, again = run_twice(groups(job)[number][0])
    expected = Counter()
    for case in first.cases:
        expected.update({name: value for name, value in case.counts.items() if isinstance(value, int)})
        expected["duplicate"] += (
            0
            if "duplicate" in case.counts
            else case.counts["read"] - sum(case.counts.get(name, 0) for name in OF_SUM[1:])
        )
        by_reason = Counter(reason for row in case.rows(first, "quarantine") for reason in row["reasons"])
        assert by_reason == case.counts.get("quarantined_by_reason", by_reason), case.name
    assert {name: first.counts[name] for name in expected} == expected
    assert again.counts["quarantined"] == (first.counts["quarantined"] if again.counts["read"] else 0)


def counts_of(case: Case, run: Run) -> dict[str, int]:
    """Count what became of a case in the tables."""
    table, *_ = TABLES[case.job]
    written = [row.get("views", 1) for row in case.rows(run, table)]  # a view is a line
    return {"written": sum(written), "quarantined": len(case.rows(run, "quarantine"))}


def write(case: Case, run: Run) -> None:
    """Write what came out as what is expected; whoever asked for it reads it."""
    for table in TABLES[case.job]:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in case.rows(run, table)]
        if lines:
            (case.folder / f"{table}.jsonl").write_text("".join(lines))
    if len(run.cases) == 1 or not (case.folder / "counts.json").exists():
        counts = counts_of(case, run)
        read = sum(file.read_bytes().count(b"\n") for file in case.inputs if not file.name.endswith(".gz"))
        (case.folder / "counts.json").write_text(json.dumps({"read": read, **counts}, indent=2) + "\n")
