"""What a job reports as JSON, in words for whoever looks at a terminal."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from typing import Any, TextIO

from clickstream.runtime.counts import OUTCOMES
from local.progress import ERASE

COUNTED_METRICS = ("Read", "Written", "Duplicate", "Quarantined", "Conflict")
REASONS_SHOWN = 3


@contextmanager
def in_words() -> Iterator[None]:
    """Write the reports that the body prints in words, if standard output is a terminal."""
    if not sys.stdout.isatty():
        yield
        return
    with Words(sys.stdout) as words_of, redirect_stdout(words_of):
        yield


class Words(TextIOBase):
    """Passes on lines, those that report a run or a batch in words."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._line = ""

    def write(self, text: str) -> int:
        """Pass on what ends a line; keep the rest."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._terminal.write(f"{ERASE}{words(line)}\n")
        return len(text)

    def flush(self) -> None:
        """Flush the terminal."""
        self._terminal.flush()

    def close(self) -> None:
        """Pass on a last line that was not ended."""
        if self._line:
            self.write("\n")
        super().close()

    def isatty(self) -> bool:
        """Say that it writes to one."""
        return True


def words(line: str) -> str:
    """Write a run's report or a batch's metrics (``run_reports``, ``metrics``) in words; others stay as they are."""
    try:
        reported = json.loads(line)
    except ValueError:
        return line
    if "_aws" in line and "Job" in reported:
        counts = {name.lower(): reported[name] for name in COUNTED_METRICS}
        by_reason = {"quarantined_by_reason": reported["quarantined_by_reason"]}
        took = f"batch {reported['batch']} took {reported['BatchDuration']:.1f} s"
        return f"{reported['Job']}: {took}; {in_sum(counts | by_reason)}"
    if "counts" in line and "job" in reported:
        where = reported["arguments"].get("run_reports_path")
        kept = [f"reported in {where}/{reported['job']}"] if where else []
        return "\n".join(f"{reported['job']}: {said}" for said in [*in_sentences(reported["counts"]), *kept])
    return line


def in_sentences(counts: Mapping[str, Any]) -> list[str]:
    """Write the counts of rows, or of each table, in a sentence each."""
    if "read" in counts:
        return [in_sum(counts)]
    return [f"{table}: {', '.join(in_numbers(of_table)) or 'nothing to do'}" for table, of_table in counts.items()]


def in_sum(counts: Mapping[str, Any]) -> str:
    """Write counts: read 1,230 = written 1,200 + duplicate 20 + quarantined 10 (late 8, not_utf8 2); replaced 3."""
    reasons = dict(sorted(counts["quarantined_by_reason"].items(), key=lambda reason: (-reason[1], reason[0])))
    named = in_numbers(reasons)
    more = [f"{len(named) - REASONS_SHOWN} more"] if len(named) > REASONS_SHOWN else []
    because = f" ({', '.join(named[:REASONS_SHOWN] + more)})" if named else ""
    outcomes = in_numbers({name: counts.get(name) for name in OUTCOMES})
    explained = [outcome + because if outcome.startswith("quarantined") else outcome for outcome in outcomes]
    beside = in_numbers({name: count for name, count in counts.items() if name not in {"read", *OUTCOMES}})
    return "; ".join([
        f"read {counts['read']:,} = {' + '.join(explained) or '0'}",
        *([", ".join(beside)] if beside else []),
    ])


def in_numbers(counts: Mapping[str, Any]) -> list[str]:
    """Write those counts that are not 0."""
    return [f"{name} {count:,}" for name, count in counts.items() if isinstance(count, int) and count]
