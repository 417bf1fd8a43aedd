"""Rows that a run reads more than once, and files that are not published yet: below Glue's ``--TempDir``."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession

from clickstream.runtime.glue import temp_dir
from clickstream.storage import files


@contextmanager
def folder(spark: SparkSession) -> Iterator[str]:
    """Give the path of a folder of one's own that is deleted afterwards; a lifecycle rule deletes a killed run's."""
    path = f"{temp_dir(spark)}/{uuid4()}"
    try:
        yield path
    finally:
        fs, hadoop_path = files.file_system(spark, path)
        fs.delete(hadoop_path, True)


def materialize(rows: DataFrame, path: str) -> DataFrame:
    """Compute rows once, write them to a path and give back what is there."""
    rows.write.mode("append").option("parquet.enable.dictionary", "false").parquet(path)
    return rows.sparkSession.read.schema(rows.schema).parquet(path)
