"""What became of every row of a run, counted while it runs (``observe``): no pass of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from clickstream import errors

SKIPPED = {"is_out_of_range": "skipped_dates", "is_anonymous": "skipped_anonymous"}  # column -> what counts it
OUTCOMES = ("written", "duplicate", "quarantined", *SKIPPED.values())  # of which each row that was read has one


@dataclass(frozen=True)
class RowCounts:
    """Rows of a run or batch: ``read`` is the sum of written, duplicate, quarantined and skipped."""

    read: int
    written: int
    duplicate: int = 0  # as stored ones, or as others of the same run
    quarantined: int = 0
    skipped_dates: int = 0  # out of the range of dates that was asked for
    skipped_anonymous: int = 0
    quarantined_by_reason: Mapping[str, int] = field(default_factory=dict)  # a row counts under each of its reasons
    beside: Mapping[str, int] = field(default_factory=dict)  # what is not of the sum, such as replaced, conflict

    def check(self, max_quarantined_ratio: float = 1) -> None:
        """Raise where the sum is wrong, or where a larger part than that is quarantined."""
        outcomes = self.written + self.duplicate + self.quarantined + self.skipped_dates + self.skipped_anonymous
        if self.read != outcomes:
            raise errors.CountsError(f"{self.read} rows were read, but {outcomes} are accounted for: {self}")
        if self.quarantined and self.quarantined / self.read > max_quarantined_ratio:
            reasons = ", ".join(f"{reason} {rows}" for reason, rows in sorted(self.quarantined_by_reason.items()))
            raise errors.QuarantineRatioError(
                f"{self.quarantined} of {self.read} rows break rules ({reasons}), a larger ratio than"
                f" --max_quarantined_ratio {max_quarantined_ratio:g}; nothing was committed"
            )

    def as_dict(self) -> dict[str, Any]:
        """Write them as a report does, what is beside the sum among them."""
        sums = {name: value for name, value in vars(self).items() if name not in {"beside", "quarantined_by_reason"}}
        return {**sums, **self.beside, "quarantined_by_reason": dict(self.quarantined_by_reason)}


class RowCounter:
    """Counts rows where a plan passes them on; what it has counted is known when that plan has been run."""

    def __init__(self) -> None:
        self._observations: list[Observation] = []

    def of_input(self, validated: DataFrame) -> DataFrame:
        """Pass on rows with reasons, and perhaps with columns of ``SKIPPED``; of rows with is_insert only those."""
        is_input = "is_insert" if "is_insert" in validated.columns else "true"
        skipped = {counted: name for name, counted in SKIPPED.items() if name in validated.columns}
        counts = {
            "read": f"count_if({is_input})",
            "quarantined": f"count_if({is_input} and reasons is not null)",
            **{counted: f"count_if({is_input} and {is_skipped})" for counted, is_skipped in skipped.items()},
            "first_arrival": "min(unix_millis(arrived_at))",  # Spark 3.5 observes no times
            "last_arrival": "max(unix_millis(arrived_at))",
        }
        return self.of(validated, counts)

    def of(self, rows: DataFrame, counts: Mapping[str, str]) -> DataFrame:
        """Pass on rows, counted by aggregates over them, in SQL."""
        observation = Observation()
        self._observations.append(observation)
        return rows.observe(observation, *[F.expr(aggregate).alias(name) for name, aggregate in counts.items()])

    def __getitem__(self, name: str) -> int:
        """Return one count, 0 where nothing was counted."""
        return self._all().get(name) or 0

    def arrival(self, which: str) -> datetime | None:
        """Return ``first_arrival`` or ``last_arrival``; None of no rows."""
        milliseconds = self._all()[which]
        return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)

    def row_counts(self, quarantined_by_reason: Mapping[str, int]) -> RowCounts:
        """Sum up."""
        counts = {
            name: int(count or 0)
            for name, count in self._all().items()
            if name not in {"first_arrival", "last_arrival"}
        }
        of_sum = {name: counts.pop(name, 0) for name in ("read", *OUTCOMES)}
        return RowCounts(**of_sum, quarantined_by_reason=quarantined_by_reason, beside=counts)

    def _all(self) -> dict[str, int | None]:
        """Add up what was counted under one name in several places."""
        counts: dict[str, int | None] = {}
        for observation in self._observations:
            for name, count in observation.get.items():
                known = counts.get(name)
                counts[name] = count if known is None else known + (count or 0)
        return counts
