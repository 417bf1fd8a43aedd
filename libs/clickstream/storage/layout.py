"""How rows are laid out in files, so that Athena reads few and large ones."""

from pyspark.sql import DataFrame

from clickstream.schemas import Contract


def clustered_by_partition(rows: DataFrame, contract: Contract) -> DataFrame:
    """Bring the rows of a partition into one task, more only where it is large, and sort each partition.

    Whole batch. Adaptive execution splits a task where it has seen more than ``FILE_BYTES``, by
    ``glue.SESSION_SETTINGS``. The hint is SQL because Spark 3.5 and 4.1 take its columns in different forms otherwise.
    """
    hinted = f"select /*+ rebalance({', '.join(contract.partitions)}) */ * from {{rows}}"
    return rows.sparkSession.sql(hinted, rows=rows).sortWithinPartitions(*contract.partitions, *contract.order)
