"""What a run of ``sessions_batch`` changes in ``session_events``: rows of ``schemas.ACTIVITY``.

They are inserted (is_insert) or deleted. An event is in a session once, however many rows have it, and is deleted only
when no row of it is left: which row stands for an event that has several is looked up in the input.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.storage.load import Load, valid_rows
from clickstream.transforms import activity

INITIAL_COUNTS = {"written": "count(1)", "duplicate": "sum(copies) - count(1)"}
COMPARED_COUNTS = {
    "written": "count_if(is_inserted and copies > 0)",
    "duplicate": "sum(copies) - count_if(is_inserted and copies > 0)",
    "deleted": "count_if(is_deleted)",
}
MOST_BROADCAST = 500_000  # events: some tens of MB on each executor
CHANGED_COUNTS = {
    "written": "count_if(is_new)",
    "duplicate": "sum(if(is_ambiguous, 0, copies)) - count_if(is_new)",
    "looked_up": "count_if(is_ambiguous)",
}


def of_all(load: Load, events: DataFrame, stored: DataFrame | None) -> DataFrame:
    """Compare all events, as read from their table, with those stored."""
    read = load.observe(events)
    hashes = load.staged(events.transform(activity.repeated))
    if hashes.isEmpty():
        once = read.withColumn("copies", F.lit(1).cast("long"))
    else:
        several = valid_rows(events).transform(activity.join_key_hashes, hashes, "left_semi")
        others = read.transform(activity.join_key_hashes, hashes, "left_anti")
        others = others.withColumn("copies", F.lit(1).cast("long"))
        columns = [*schemas.ACTIVITY.names, "copies"]
        once = others.select(*columns).unionByName(several.transform(activity.deduplicate))
    return _compared(load, once, stored, is_full_snapshot=True)


def of_lines(load: Load, events: DataFrame, stored: DataFrame | None) -> DataFrame:
    """Compare the events of some lines with those stored; what the lines lack stays."""
    once = events.withColumn("copies", F.lit(1).cast("long"))
    return _compared(load, once, stored, is_full_snapshot=False)


def of_changes(load: Load, changed: DataFrame, now: DataFrame, stored: DataFrame) -> DataFrame:
    """Find what the ``changed`` rows of the events change.

    ``now`` is all rows of the days of these, ``stored`` all ``session_events`` of the days. Only an event of which a
    row was deleted, or of which there was a row before, is looked up there.
    """
    key = [*activity.KEY]
    events = load.staged(load.counted(load.observe(changed).transform(activity.per_event), {"touched": "count(1)"}))
    known = stored.select(*key, F.lit(True).alias("is_known")).join(_small(load, events.select(*key)), key, "left_semi")
    kinds = load.staged(
        events
        .join(_small(load, known), key, "left")
        .withColumn("is_ambiguous", F.expr("(has_deletes or is_known is not null) and not is_same"))
        .withColumn("is_new", F.expr("not is_ambiguous and not is_same"))
        .transform(load.counted, CHANGED_COUNTS)
        .select(*key, "first", "copies", "is_ambiguous", "is_new")
    )
    new = kinds.where("is_new").select("first.*", F.lit(True).alias("is_insert"))
    if not load.count("looked_up"):
        return new
    ambiguous = kinds.where("is_ambiguous").select(*key, "copies")
    rows = valid_rows(now).join(_small(load, ambiguous.select(*key)), key, "left_semi")
    found = ambiguous.join(rows.transform(activity.deduplicate).drop("copies"), key, "left")
    of_found = stored.join(_small(load, ambiguous.select(*key)), key, "left_semi")
    return new.unionByName(_compared(load, found, of_found, is_full_snapshot=True))


def _small(load: Load, rows: DataFrame) -> DataFrame:
    """Have a part of the touched events joined without a shuffle of the other side, where they are few."""
    return F.broadcast(rows) if load.count("touched") <= MOST_BROADCAST else rows


def _compared(load: Load, events: DataFrame, stored: DataFrame | None, *, is_full_snapshot: bool) -> DataFrame:
    if stored is None and is_full_snapshot:  # each event is there once
        return load.counted(events, INITIAL_COUNTS).withColumn("is_insert", F.lit(True))
    compared = load.counted(activity.compare(events, stored, is_full_snapshot=is_full_snapshot), COMPARED_COUNTS)
    changes = compared.where("is_inserted or is_deleted").withColumn("is_insert", F.col("is_inserted"))
    columns = [*schemas.ACTIVITY.names, "is_insert"]
    return changes.select(*columns) if stored is None else load.staged(changes.select(*columns))
