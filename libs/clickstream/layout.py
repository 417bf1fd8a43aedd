"""How rows are laid out in files, so that Athena reads few and large ones."""

from pyspark.sql import DataFrame

FILE_BYTES = 512 * 1024 * 1024  # the most that one file is meant to hold
SHUFFLED_BYTES = "512m"  # of shuffled rows to a task; as zstd Parquet they are 128-512 MB


def sized_for_athena(rows: DataFrame, partitions: tuple[str, ...], by: str) -> DataFrame:
    """Bring the rows of a partition into one task, more only where it is large, and sort each task by time.

    Whole batch. Adaptive execution splits a task that is larger than ``SHUFFLED_BYTES`` by the sizes it has seen.
    """
    rows.sparkSession.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", SHUFFLED_BYTES)
    columns = ", ".join(partitions)
    return rows.sparkSession.sql(f"select /*+ rebalance({columns}) */ * from {{rows}}", rows=rows).sortWithinPartitions(
        by
    )
