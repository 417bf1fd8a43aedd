"""Rules -> valid and quarantined rows: a row keeps its text, and every rule that it breaks."""

from collections.abc import Mapping
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

Rules = Mapping[str, Column]  # the reason a row is quarantined for -> what has to hold for it
Source = Literal["events", "clickstream", "page_views", "page_counts", "session_events", "live_sessions"]
"""Whose rows the quarantine holds; a job cannot write another, and ``replay`` takes each or says why not."""
UNPROCESSABLE = "unprocessable"  # the reason of a record that breaks no rule and fails its batch; the error follows it


def with_reasons(rows: DataFrame, rules: Rules) -> DataFrame:
    """Add ``reasons``: every rule that the row breaks, null for a valid row; a null condition counts as broken.

    Row-wise. Spark takes a partition's number for something that may change from row to row. So it does not move a
    condition on the reasons below this, where it would write out all rules, and in each of them all of its columns.
    """
    holds = {reason: F.coalesce(condition, F.lit(False)) for reason, condition in rules.items()}
    is_valid = F.lit(True)
    for condition in holds.values():
        is_valid &= condition
    broken = F.array_compact(F.array(*[F.when(~condition, F.lit(reason)) for reason, condition in holds.items()]))
    return rows.withColumn("reasons", F.when(~is_valid & (F.spark_partition_id() >= 0), broken))
