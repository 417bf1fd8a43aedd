"""The table ``quarantine``: each row keeps its text as sent, all its reasons and where it came from."""

from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.storage import iceberg
from clickstream.transforms import times
from clickstream.validation import Source

ATTEMPTS = 10  # to add rows beside the other jobs, which all write to this table
TABLE_PROPERTIES = {**iceberg.MERGE_ON_READ, "write.merge.isolation-level": "snapshot"}  # others add rows meanwhile


def to_table(quarantined: DataFrame, source: Source) -> DataFrame:
    """Turn rows with reasons (``validation.with_reasons``) into rows of the table.

    Needs the whole batch: lines of one file that are alike are distinguished by a number, so that each is a row, and
    the same file read again gives the same ``quarantine_id``.
    """
    alike = Window.partitionBy("origin", "raw").orderBy("arrived_at")
    is_base64 = F.encode("raw", "UTF-8") != F.col("raw").cast("binary")  # not UTF-8
    in_base64 = F.regexp_replace(F.base64(F.col("raw").cast("binary")), "\\s", "")
    return (
        quarantined
        .withColumn("source", F.lit(source))
        .withColumn("number", F.row_number().over(alike))
        .withColumn("quarantine_id", F.sha2(F.concat_ws("\n", "source", "origin", "number", "raw"), 256))
        .withColumn("is_base64", is_base64)
        .withColumn("raw", F.when(is_base64, in_base64).otherwise(F.col("raw")))
        .withColumn("quarantined_at", F.current_timestamp())
        .withColumn("replayed_at", F.lit(None).cast("timestamp"))
        .withColumn("arrived_date", F.to_date("arrived_at"))
        .select(*schemas.QUARANTINE.names)
    )


def add(rows: DataFrame, table: str, source: Source, since: datetime | None = None) -> None:
    """Add the rows of ``to_table`` that the table lacks; compare again where another writer was first.

    Where arrivals never change, the first one saves reading what is older (``since``); a file's may, with the file.
    """
    is_comparable = F.col("source") == source
    if since:
        is_comparable &= F.col("arrived_date") >= F.lit(since.date())
    for attempt in range(ATTEMPTS):
        with iceberg.open_branch(
            rows.sparkSession, table, schemas.QUARANTINE, table_properties=TABLE_PROPERTIES
        ) as branch:
            stored = branch.stored(is_comparable).select("quarantine_id")
            branch.append(rows.join(stored, "quarantine_id", "left_anti"))
            try:
                branch.publish()
            except errors.ConcurrentCommitError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return


def open_rows(spark: SparkSession, table: str, source: Source, condition: Column) -> DataFrame:
    """Return the rows of a source that meet a condition and have not been replayed."""
    is_open = (F.col("source") == source) & F.col("replayed_at").isNull()
    return iceberg.read(spark, table, schemas.QUARANTINE, is_open & condition)


def as_sent(rows: DataFrame) -> DataFrame:
    """Turn quarantined rows back into the lines they were (``schemas.RAW_LINE``), and keep quarantine_id."""
    sent = F.when(F.col("is_base64"), F.unbase64("raw").cast("string")).otherwise(F.col("raw"))
    return rows.withColumn("raw", sent).select(*schemas.RAW_LINE.names, "quarantine_id")


def mark_replayed(rows: DataFrame, table: str) -> DataFrame:
    """Set ``replayed_at`` of rows (quarantine_id) unless another run has; return the ids of those that were set."""
    spark = rows.sparkSession
    ids, now = rows.select("quarantine_id"), datetime.now(UTC)
    spark.sql(
        f"merge into {iceberg.full_name(spark, table)} as stored using {{rows}} as replayed"
        " on stored.quarantine_id = replayed.quarantine_id when matched and stored.replayed_at is null"
        f" then update set replayed_at = timestamp_ntz'{now:%Y-%m-%d %H:%M:%S.%f}'",
        rows=ids,
    )
    marked = iceberg.read(spark, table, schemas.QUARANTINE, F.col("replayed_at") == times.without_zone(now))
    return marked.select("quarantine_id").join(ids, "quarantine_id", "left_semi")


def open_again(rows: DataFrame, table: str) -> None:
    """Take ``replayed_at`` back from rows (quarantine_id)."""
    spark = rows.sparkSession
    spark.sql(
        f"merge into {iceberg.full_name(spark, table)} as stored using {{rows}} as failed"
        " on stored.quarantine_id = failed.quarantine_id when matched then update set replayed_at = null",
        rows=rows.select("quarantine_id"),
    )
