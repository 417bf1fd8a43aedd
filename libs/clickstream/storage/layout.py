"""How rows are laid out in files, so that Athena reads few and large ones."""

from collections.abc import Sequence

from pyspark.sql import DataFrame

FILE_BYTES = 512 * 1024 * 1024  # the most that one file is meant to hold; of shuffled rows, 128-512 MB as zstd Parquet


def sized_for_athena(rows: DataFrame, partitions: Sequence[str], order: Sequence[str]) -> DataFrame:
    """Bring the rows of a partition into one task, more only where it is large, and sort each partition.

    Whole batch. Adaptive execution splits a task where it has seen more than ``FILE_BYTES``, by
    ``glue.SESSION_SETTINGS``. The hint is SQL because Spark 3.5 and 4.1 take its columns in different forms otherwise.
    """
    hinted = f"select /*+ rebalance({', '.join(partitions)}) */ * from {{rows}}"
    return rows.sparkSession.sql(hinted, rows=rows).sortWithinPartitions(*partitions, *order)
