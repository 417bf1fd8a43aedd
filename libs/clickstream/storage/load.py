"""The write protocol: materialize -> deduplicate -> write where no reader looks -> audit -> publish.

What is published first is the table, then the quarantine. A run that is killed in between is completed by running it
again: what it has published counts as duplicate, and the quarantine gets the rows that it lacks.
docs/decisions/0017-one-write-protocol.md says why.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, reduce
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime.counts import SKIPPED, RowCounter, RowCounts
from clickstream.storage import iceberg, quarantine, staging
from clickstream.validation import Source


class Publishable(Protocol):
    """What has been written where no reader looks."""

    def publish(self) -> None:
        """Let readers see it."""


@dataclass(frozen=True)
class NewRows:
    """Validated rows, computed once."""

    valid: DataFrame
    all: DataFrame  # with those that are quarantined or skipped
    first_arrival: datetime | None  # None: nothing was read
    last_arrival: datetime | None


class Load:
    """Rows of one source on their way into a table, and what is quarantined of them."""

    def __init__(self, spark: SparkSession, source: Source, quarantine_table: str, stack: ExitStack) -> None:
        self._spark, self._source, self._quarantine_table = spark, source, quarantine_table
        self._stack = stack
        self._counter = RowCounter()
        self._input: DataFrame | None = None
        self._is_computed = False

    def materialize(self, validated: DataFrame) -> NewRows:
        """Compute the validated rows once, into files; they are read several times."""
        return self._computed(self.staged(self._counter.of_input(validated)))

    def persist(self, validated: DataFrame) -> NewRows:
        """Compute a stream's validated rows once: where an executor is lost, the stream gives the same ones again."""
        rows = self._counter.of_input(validated).persist()
        self._stack.callback(rows.unpersist)
        rows.write.format("noop").mode("overwrite").save()
        return self._computed(rows)

    def observe(self, validated: DataFrame) -> DataFrame:
        """Pass on the valid rows, counted: for input that is read once, as long as nothing is quarantined."""
        self._input = validated
        return valid_rows(self._counter.of_input(validated))

    def counted(self, rows: DataFrame, counts: Mapping[str, str]) -> DataFrame:
        """Pass on rows, counted by aggregates over them, in SQL; whoever calls this has the plan run."""
        return self._counter.of(rows, counts)

    def count(self, name: str) -> int:
        """Return a count; call it when what was counted has been written."""
        return self._counter[name]

    def staged(self, rows: DataFrame) -> DataFrame:
        """Materialize rows until the load ends."""
        return staging.materialize(rows, self._stack.enter_context(staging.folder(self._spark)))

    def publish(
        self, *tables: Publishable, max_quarantined_ratio: float = 1, quarantine_since: datetime | None = None
    ) -> RowCounts:
        """Audit the counts, then publish the tables in this order, then add to the quarantine what it lacks.

        ``quarantine_since`` is the first arrival of records, which never changes: a file's may, with the file.
        """
        counts = self._counter.row_counts(self._quarantined_by_reason)
        counts.check(max_quarantined_ratio)
        for table in tables:
            table.publish()
        if counts.quarantined:
            rows = quarantine.to_table(self._quarantined, self._source)
            quarantine.add(rows, self._quarantine_table, self._source, quarantine_since)
        return counts

    def _computed(self, rows: DataFrame) -> NewRows:
        self._input, self._is_computed = rows, True
        arrivals = [self._counter.arrival(which) for which in ("first_arrival", "last_arrival")]
        return NewRows(valid_rows(rows), rows, *arrivals)

    @cached_property
    def _quarantined(self) -> DataFrame:
        assert self._input is not None, "nothing was materialized or observed"  # noqa: S101
        is_input = "is_insert" if "is_insert" in self._input.columns else "true"
        quarantined = self._input.where(f"reasons is not null and {is_input}")
        rows = quarantined.select(*schemas.RAW_LINE.names, "reasons")
        return rows if self._is_computed else self.staged(rows)

    @property
    def _quarantined_by_reason(self) -> dict[str, int]:
        if not self._counter["quarantined"]:
            return {}
        reasons = self._quarantined.select(F.explode("reasons").alias("reason")).groupBy("reason").count()
        return {row.reason: row["count"] for row in reasons.collect()}


@contextmanager
def open_load(spark: SparkSession, source: Source, quarantine_table: str) -> Iterator[Load]:
    """Open a load; raise ``TableError`` where the quarantine is not there, before anything is read."""
    iceberg.check_columns(spark, quarantine_table, schemas.QUARANTINE)
    with ExitStack() as stack:
        yield Load(spark, source, quarantine_table, stack)


def valid_rows(rows: DataFrame) -> DataFrame:
    """Keep the validated rows that break no rule and are not skipped."""
    skipped = [F.col(name) for name in SKIPPED if name in rows.columns]
    return rows.where(reduce(lambda valid, is_skipped: valid & ~is_skipped, skipped, F.col("reasons").isNull()))
