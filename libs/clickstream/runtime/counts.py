"""What became of every row of a run, counted while it runs (``observe``): no pass of its own."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from clickstream import errors
from clickstream.storage import files


@dataclass(frozen=True)
class Counts:
    """Rows of one run: ``read`` is the sum of written, duplicate, quarantined and skipped_dates."""

    read: int
    written: int
    replaced: int  # stored rows that went: another one arrived earlier, or as early and was smaller
    duplicate: int
    conflict: int  # of those written: the event_uuid stands under an earlier created_at among the rows at hand
    quarantined: int
    quarantined_by_reason: dict[str, int]  # a row counts under each of its reasons
    skipped_dates: int

    def check(self, max_quarantined_ratio: float) -> None:
        """Raise where the sum is wrong, or where a larger share than that was refused."""
        outcomes = self.written + self.duplicate + self.quarantined + self.skipped_dates
        if self.read != outcomes:
            raise errors.CountsError(f"{self.read} rows were read, but {outcomes} are accounted for: {self}")
        if self.quarantined and self.quarantined / self.read > max_quarantined_ratio:
            reasons = ", ".join(f"{reason} {rows}" for reason, rows in self.quarantined_by_reason.items())
            raise errors.QuarantineRatioError(
                f"{self.quarantined} of {self.read} rows were refused ({reasons}), a larger share than"
                f" --max_quarantined_ratio {max_quarantined_ratio:g}; nothing was committed"
            )


@dataclass(frozen=True)
class SessionCounts:
    """Events of one run: ``read`` is the sum of written, unchanged, quarantined, anonymous and skipped_dates."""

    read: int
    written: int  # in a session now that were in none, or have changed
    unchanged: int  # in a session already, or the same as another one of them
    quarantined: int
    quarantined_by_reason: dict[str, int]
    anonymous: int
    skipped_dates: int
    removed: int  # no longer in a session: gone from the input, or changed
    sessions: int  # that were made, or made again
    session_events: int  # of those sessions

    def check(self) -> None:
        """Raise where the sum is wrong."""
        outcomes = self.written + self.unchanged + self.quarantined + self.anonymous + self.skipped_dates
        if self.read != outcomes:
            raise errors.CountsError(f"{self.read} rows were read, but {outcomes} are accounted for: {self}")


class Tally:
    """Counts rows at two places of a plan: where they were inspected, and where duplicates were found."""

    def __init__(self, reasons: Iterable[str]) -> None:
        """Take the reasons in the order in which they are reported."""
        self._reasons = list(reasons)
        self._inspected = Observation()
        self._judged = Observation()

    def inspected(self, rows: DataFrame) -> DataFrame:
        """Pass on rows with reasons and is_out_of_range."""
        return rows.observe(
            self._inspected,
            F.count(F.lit(1)).alias("read"),
            F.count("reasons").alias("quarantined"),
            F.min(F.unix_millis("arrived_at")).alias("first_arrival"),  # Spark 3.5 observes no times
            F.count_if("is_out_of_range").alias("skipped_dates"),
            *[F.count_if(F.array_contains("reasons", reason)).alias(f"reason_{reason}") for reason in self._reasons],
        )

    def judged(self, rows: DataFrame) -> DataFrame:
        """Pass on rows with written, duplicate, replaced and conflict, each the number of rows it stands for."""
        totals = [F.sum(name).alias(name) for name in ("written", "duplicate", "replaced", "conflict")]
        return rows.observe(self._judged, *totals)

    def first_arrival(self) -> datetime | None:
        """Return when the first row arrived, if any; call it when they have been written."""
        milliseconds = self._inspected.get["first_arrival"]
        return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)

    def counts(self) -> Counts:
        """Return the counts; call it when what was passed on has been written."""
        return self._counts(self._judged.get)

    def counts_of_accepted(self) -> Counts:
        """Return the counts where every row that was accepted is written."""
        inspected = self._inspected.get
        return self._counts({"written": inspected["read"] - inspected["quarantined"] - inspected["skipped_dates"]})

    def _counts(self, judged: Mapping[str, int | None]) -> Counts:
        inspected = self._inspected.get
        by_reason = {reason: int(inspected[f"reason_{reason}"]) for reason in self._reasons}
        return Counts(
            read=int(inspected["read"]),
            written=judged.get("written") or 0,
            replaced=judged.get("replaced") or 0,
            duplicate=judged.get("duplicate") or 0,
            conflict=judged.get("conflict") or 0,
            quarantined=int(inspected["quarantined"]),
            quarantined_by_reason={reason: rows for reason, rows in by_reason.items() if rows},
            skipped_dates=int(inspected["skipped_dates"]),
        )


class SessionTally:
    """Counts what comes in (``is_input``), what of it is new to the tables, and the sessions that are made of it."""

    def __init__(self, reasons: Iterable[str]) -> None:
        """Take the reasons in the order in which they are reported."""
        self._reasons = list(reasons)
        self._inspected = Observation()
        self._judged = Observation()
        self._made = Observation()

    def inspected(self, rows: DataFrame) -> DataFrame:
        """Pass on rows with is_input, reasons, is_anonymous and is_out_of_range; the others were input once."""

        def input_rows(condition: str) -> Column:
            return F.count_if(F.expr(f"is_input and {condition}"))

        return rows.observe(
            self._inspected,
            input_rows("true").alias("read"),
            input_rows("reasons is not null").alias("quarantined"),
            input_rows("is_anonymous").alias("anonymous"),
            input_rows("is_out_of_range").alias("skipped_dates"),
            *[input_rows(f"array_contains(reasons, '{name}')").alias(f"reason_{name}") for name in self._reasons],
        )

    def judged(self, rows: DataFrame) -> DataFrame:
        """Pass on rows with written, unchanged and removed, each the number of events it stands for."""
        return rows.observe(self._judged, *[F.sum(name).alias(name) for name in ("written", "unchanged", "removed")])

    def made(self, session_events: DataFrame) -> DataFrame:
        """Pass on what is written to ``session_events``."""
        sessions = F.count_if(F.col("new_session") == 1)
        return session_events.observe(self._made, F.count(F.lit(1)).alias("session_events"), sessions.alias("sessions"))

    def counts(self, *, has_made: bool) -> SessionCounts:
        """Return the counts; call it when what was passed on has been written."""
        inspected, judged = self._inspected.get, self._judged.get
        made = self._made.get if has_made else {"session_events": 0, "sessions": 0}
        by_reason = {reason: int(inspected[f"reason_{reason}"]) for reason in self._reasons}
        return SessionCounts(
            read=int(inspected["read"]),
            written=int(judged["written"] or 0),
            unchanged=int(judged["unchanged"] or 0),
            quarantined=int(inspected["quarantined"]),
            quarantined_by_reason={reason: rows for reason, rows in by_reason.items() if rows},
            anonymous=int(inspected["anonymous"]),
            skipped_dates=int(inspected["skipped_dates"]),
            removed=int(judged["removed"] or 0),
            sessions=int(made["sessions"]),
            session_events=int(made["session_events"]),
        )


def report(spark: SparkSession, job: str, arguments: Any, counts: Counts | SessionCounts, path: str) -> None:
    """Say what the run did: one JSON line on standard output, and the same as a file below ``path/_runs``."""
    finished_at = datetime.now(UTC)
    run = {
        "job": job,
        "run_id": uuid4().hex,
        "finished_at": finished_at.isoformat(timespec="seconds"),
        "arguments": asdict(arguments),
        "counts": asdict(counts),
    }
    line = json.dumps(run, default=str)
    files.write_text(spark, f"{path.rstrip('/')}/_runs/{finished_at:%Y%m%dT%H%M%S}_{job}_{run['run_id']}.json", line)
    print(line, flush=True)
