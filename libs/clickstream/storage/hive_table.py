"""Plain Parquet tables in Hive layout: written to a staging folder, then moved in file by file; nothing is deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import StructType

from clickstream import errors
from clickstream.schemas import Contract
from clickstream.storage import files, layout, staging


@dataclass(frozen=True)
class HiveTable:
    """A table's folder, and the folder where files wait to be published."""

    spark: SparkSession
    path: str
    contract: Contract
    staging_path: str

    def stored(self, condition: Column) -> DataFrame:
        """Read the rows of the table that meet a condition."""
        return read(self.spark, self.path, self.contract.columns).where(condition)

    def append(self, rows: DataFrame) -> None:
        """Write rows to the staging folder, by partition."""
        clustered = layout.clustered_by_partition(rows.select(*self.contract.names), self.contract)
        clustered.write.partitionBy(*self.contract.partitions).parquet(self.staging_path)

    def publish(self) -> None:
        """Move the staged files into the table; a run that is killed in between is completed by running it again."""
        fs, root = files.file_system(self.spark, self.staging_path)
        _, table = files.file_system(self.spark, self.path)
        above, target = (fs.makeQualified(path).toString().rstrip("/") for path in (root, table))
        for file in list(self._staged_files()):
            _, moved = files.file_system(self.spark, target + file.toString().removeprefix(above))
            files.move(fs, file, moved)

    def _staged_files(self) -> Iterator[Any]:
        fs, root = files.file_system(self.spark, self.staging_path)
        listed = fs.listFiles(root, True)
        while listed.hasNext():
            file = listed.next().getPath()
            if not file.getName().startswith(("_", ".")):
                yield file


@contextmanager
def open_table(spark: SparkSession, path: str, contract: Contract) -> Iterator[HiveTable]:
    """Open a table to add to it, where ``--TempDir`` is on the same file system: a move does not cross them."""
    fs, hadoop_path = files.file_system(spark, path)
    if fs.isFile(hadoop_path):
        raise errors.InputError(f"{path} is a file, not a folder")
    with staging.folder(spark) as staging_path:
        staging_fs, _ = files.file_system(spark, staging_path)
        if staging_fs.getUri().toString() != fs.getUri().toString():
            raise errors.InputError(f"--TempDir {staging_path} is on another file system than {path}")
        yield HiveTable(spark, path.rstrip("/"), contract, staging_path)


def read(spark: SparkSession, path: str, columns: StructType | str) -> DataFrame:
    """Read a table; one that has not been written yet is empty."""
    if not files.exists(spark, path):
        return spark.createDataFrame([], columns)
    return spark.read.schema(columns).parquet(path)
