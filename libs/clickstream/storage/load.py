"""Inspected rows -> the tables and the quarantine: staged, counted, and only then shown to readers."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.runtime import counts
from clickstream.runtime.counts import Counts
from clickstream.storage import hive_table, iceberg, layout, quarantine
from clickstream.transforms import events, visits


def land_events(  # noqa: PLR0913  # as many as the jobs have arguments
    inspected: DataFrame,
    table: str,
    quarantine_table: str,
    *,
    mode: Literal["merge", "rebuild"] = "merge",
    start: date | None = None,
    end: date | None = None,
    max_quarantined_ratio: float = 1,
    horizon: timedelta | None = None,
    commit: Mapping[str, str] | None = None,
) -> Counts:
    """Bring the rows of ``events.inspect`` into the tables.

    They are compared with the stored rows of their dates; with a ``horizon``, only with those that arrived no longer
    than that before the first of them. ``commit`` is noted in the table's snapshot.
    """
    spark, tally = inspected.sparkSession, counts.Tally(events.rules())
    with (
        iceberg.branch(spark, table, schemas.EVENTS, commit) as branch,
        hive_table.spooled(inspected.transform(tally.inspected), quarantine_table) as spooled,
    ):
        taken = spooled.where(events.IS_TAKEN)
        if start and end:
            is_touched = F.col("created_date").between(F.lit(start), F.lit(end))
        else:
            is_touched = F.col("created_date").isin(events.dates(taken))
        stored = branch.published().where(is_touched if mode == "merge" else F.lit(False))
        if horizon is not None:
            since = F.lit(tally.first_arrival()).cast("timestamp") - F.lit(horizon)
            stored = stored.where(F.col("arrived_at") >= F.date_trunc("hour", since))

        outcome = taken.transform(events.with_outcome, stored)
        written = outcome.transform(tally.judged).where("written = 1").transform(events.to_table)
        sized = layout.sized_for_athena(written, schemas.EVENTS_PARTITIONS, order=["created_ts"])
        if mode == "merge":
            branch.append(sized)
        else:
            branch.overwrite(sized, is_touched)

        run = tally.counts()
        run.check(max_quarantined_ratio)
        if run.replaced:
            replaced = outcome.where("replaced = 1").select(*events.IDENTITY)
            with hive_table.spooled(replaced, quarantine_table) as gone:
                branch.delete(gone)
        refused_rows = quarantine.to_table(spooled, events.SOURCE)
        since_first = tally.first_arrival() if horizon is not None else None
        with quarantine.staged(refused_rows, quarantine_table, events.SOURCE, since_first) as refused:
            # Publishing stops one of two runs at once, also where they only have refused rows to add.
            if run.written or run.replaced or mode == "rebuild" or refused.has_files():
                branch.publish()
            refused.publish()
    return run


def land_visits(inspected: DataFrame, path: str, quarantine_table: str, max_quarantined_ratio: float = 1) -> Counts:
    """Bring the rows of ``visits.inspect`` into the tables."""
    spark, tally = inspected.sparkSession, counts.Tally(visits.rules())
    with hive_table.spooled(inspected.transform(tally.inspected), quarantine_table) as spooled:
        accepted = spooled.where("reasons is null")
        touched = visits.dates(accepted)
        stored = hive_table.read(spark, path, schemas.CLICKSTREAM).where(F.col("event_date").isin(touched))
        judged = accepted.transform(visits.judged_per_visit, stored).transform(tally.judged)
        written = judged.where("written = 1").select(*schemas.CLICKSTREAM.names)
        with hive_table.staged(written, path, schemas.CLICKSTREAM_PARTITIONS, order=["event_time"]) as staged:
            run = tally.counts()
            run.check(max_quarantined_ratio)
            refused = quarantine.to_table(spooled, visits.SOURCE)
            with quarantine.staged(refused, quarantine_table, visits.SOURCE) as staged_refused:
                staged.publish()
                staged_refused.publish()
    return run
