"""Plain Parquet tables in Hive layout: written aside, then moved in file by file; nothing there is ever deleted.

Rows that a run needs more than once are kept aside in the same way, and go when it ends.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from clickstream import errors
from clickstream.storage import files, layout


@dataclass(frozen=True)
class Staged:
    """Files that stand beside a table, where no reader looks."""

    spark: SparkSession
    table_path: str
    path: str

    def has_files(self) -> bool:
        """Whether there is anything to publish."""
        return next(self._files(), None) is not None

    def publish(self) -> None:
        """Move the files into the table; a run that is killed in between is completed by running it again."""
        fs, root = files.file_system(self.spark, self.path)
        _, table = files.file_system(self.spark, self.table_path)
        above, target = (fs.makeQualified(path).toString().rstrip("/") for path in (root, table))
        for file in list(self._files()):
            _, moved = files.file_system(self.spark, target + file.toString().removeprefix(above))
            files.move(fs, file, moved)

    def _files(self) -> Iterator[Any]:
        fs, root = files.file_system(self.spark, self.path)
        listed = fs.listFiles(root, True)
        while listed.hasNext():
            file = listed.next().getPath()
            if not file.getName().startswith(("_", ".")):
                yield file


def read(spark: SparkSession, path: str, schema: StructType | str) -> DataFrame:
    """Read a table; one that has not been written yet is empty."""
    if not files.exists(spark, path):
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(path)


@contextmanager
def staged(rows: DataFrame, path: str, partitions: Sequence[str], order: Sequence[str] = ()) -> Iterator[Staged]:
    """Write the rows aside, sized for Athena and in this order."""
    sized = layout.sized_for_athena(rows, partitions, order)
    with _aside(rows.sparkSession, path) as folder:
        sized.write.partitionBy(*partitions).parquet(folder)
        yield Staged(rows.sparkSession, path.rstrip("/"), folder)


@contextmanager
def spooled(rows: DataFrame, path: str) -> Iterator[DataFrame]:
    """Compute rows that are read more than once, write them aside and give them back."""
    with _aside(rows.sparkSession, path) as folder:
        rows.write.option("parquet.enable.dictionary", "false").parquet(folder)  # most values are met once
        yield rows.sparkSession.read.schema(rows.schema).parquet(folder)


def append(rows: DataFrame, path: str, partitions: Sequence[str]) -> None:
    """Add rows at once."""
    with staged(rows, path, partitions) as aside:
        aside.publish()


@contextmanager
def _aside(spark: SparkSession, path: str) -> Iterator[str]:
    """Give a folder below ``path`` where no reader looks; clean up afterwards."""
    folder = f"{path.rstrip('/')}/_staged/{uuid4()}"
    fs, root = files.file_system(spark, folder)
    if fs.isFile(root.getParent().getParent()):
        raise errors.InputError(f"{path} is a file, not a folder")
    try:
        yield folder
    finally:
        fs.delete(root, True)
