"""Rows that are refused: each keeps its text as sent, all its reasons and where it came from."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.storage import files, hive_table

Rules = Mapping[str, Column]  # the reason a row is refused for -> what has to hold for it


def with_reasons(rows: DataFrame, rules: Rules) -> DataFrame:
    """Add ``reasons``: every rule that the row breaks, null for a good row; a null condition counts as broken."""
    holds = {reason: F.coalesce(condition, F.lit(False)) for reason, condition in rules.items()}
    is_good = F.lit(True)
    for condition in holds.values():
        is_good &= condition
    broken = F.array_compact(F.array(*[F.when(~condition, F.lit(reason)) for reason, condition in holds.items()]))
    return rows.withColumn("reasons", F.when(~is_good, broken))


def to_table(inspected: DataFrame, source: str) -> DataFrame:
    """Return the refused rows of ``with_reasons`` as ``schemas.QUARANTINE``.

    Needs the whole batch: lines of one file that are alike are told apart by a number, so that each is a row, and
    the same file read again gives the same ``quarantine_id``.
    """
    alike = Window.partitionBy("origin", "raw").orderBy("arrived_at")
    is_base64 = F.array_contains("reasons", "not_utf8")
    in_base64 = F.regexp_replace(F.base64(F.col("raw").cast("binary")), "\\s", "")
    return (
        inspected
        .where("reasons is not null")
        .withColumn("source", F.lit(source))
        .withColumn("number", F.row_number().over(alike))
        .withColumn("quarantine_id", F.sha2(F.concat_ws("\n", "source", "origin", "number", "raw"), 256))
        .withColumn("is_base64", is_base64)
        .withColumn("raw", F.when(is_base64, in_base64).otherwise(F.col("raw")))
        .withColumn("quarantined_at", F.current_timestamp())
        .withColumn("arrived_date", F.to_date("arrived_at"))
        .select(*schemas.QUARANTINE.names)
    )


def staged(
    refused: DataFrame, path: str, source: str, first_arrival: datetime | None = None
) -> AbstractContextManager[hive_table.Staged]:
    """Stage the rows of ``to_table`` that the quarantine does not hold yet.

    Where arrivals never change, that of the first row saves reading what is older; a file's may, with the file.
    """
    stored = hive_table.read(refused.sparkSession, path, schemas.QUARANTINE).where(F.col("source") == source)
    if first_arrival:
        stored = stored.where(F.col("arrived_date") >= F.lit(first_arrival.date()))
    new = refused.join(stored.select("quarantine_id"), "quarantine_id", "left_anti")
    return hive_table.staged(new.select(*schemas.QUARANTINE.names), path, schemas.QUARANTINE_PARTITIONS)


def open_rows(spark: SparkSession, path: str, source: str) -> DataFrame:
    """Return the rows of a source that have not been replayed; raise ``InputError`` where there is no quarantine."""
    if not files.exists(spark, path):
        raise errors.InputError(f"--quarantine_table {path} does not exist")
    replayed = hive_table.read(spark, replayed_path(path), schemas.REPLAYED).where(F.col("source") == source)
    stored = hive_table.read(spark, path, schemas.QUARANTINE).where(F.col("source") == source)
    return stored.join(replayed, "quarantine_id", "left_anti").select(*schemas.QUARANTINE.names)


def as_sent(rows: DataFrame) -> DataFrame:
    """Turn quarantined rows back into the lines they were (``schemas.RAW_LINE``), and keep quarantine_id."""
    sent = F.when(F.col("is_base64"), F.unbase64("raw").cast("string")).otherwise(F.col("raw"))
    return rows.withColumn("raw", sent).select(*schemas.RAW_LINE.names, "quarantine_id")


def mark_replayed(rows: DataFrame, path: str, source: str) -> None:
    """Note that the rows (quarantine_id) have been accepted after all, those that another run has noted excepted."""
    noted = hive_table.read(rows.sparkSession, replayed_path(path), schemas.REPLAYED).where(F.col("source") == source)
    new = rows.join(noted, "quarantine_id", "left_anti")
    marks = new.select("quarantine_id", F.current_timestamp().alias("replayed_at"), F.lit(source).alias("source"))
    hive_table.append(marks, replayed_path(path), schemas.REPLAYED_PARTITIONS)


def replayed_path(path: str) -> str:
    """Return where ``quarantine_replayed`` lies beside a quarantine."""
    return f"{path.rstrip('/')}_replayed"
