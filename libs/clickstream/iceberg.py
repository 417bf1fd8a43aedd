"""Iceberg tables: written on a branch that no reader sees, then published in one commit.

Publishing fast-forwards ``main`` to the branch. It fails if another writer has committed since the branch was
opened, so a run never adds to a table that it has not compared with.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import StructType

from clickstream import errors, layout

WRITE_PROPERTIES = {
    "write.metadata.delete-after-commit.enabled": "true",  # each run makes some versions of a small file
    "write.parquet.dict-size-bytes": "16384",  # a column chunk of distinct values gives up its dictionary early
}
COMMIT = "clickstream"
ATTEMPTS = 5  # to change metadata beside other writers


@dataclass(frozen=True)
class Branch:
    """A branch of a table, opened from what readers see."""

    spark: SparkSession
    table: str  # catalog.database.table
    name: str
    commit: Mapping[str, str] = field(default_factory=dict)  # noted in the snapshots, below ``COMMIT``

    @property
    def path(self) -> str:
        """The name under which Spark reads and writes the branch."""
        return f"{self.table}.branch_{self.name}"

    def published(self) -> DataFrame:
        """Return the table as readers see it."""
        return self.spark.table(self.table)

    def append(self, rows: DataFrame) -> None:
        """Add rows that ``layout.sized_for_athena`` has laid out."""
        self._writer(rows).append()

    def overwrite(self, rows: DataFrame, condition: Column) -> None:
        """Put the rows in place of all rows that meet a condition on the partitions."""
        self._writer(rows).overwrite(condition)

    def delete(self, rows: DataFrame) -> None:
        """Take out the rows that are alike in all columns of these.

        They have to be spooled: Spark 4.1 cannot plan a merge whose source reads its target.
        """
        alike = " and ".join(f"stored.{column} <=> deleted.{column}" for column in rows.columns)
        merge = f"merge into {self.path} as stored using {{rows}} as deleted on {alike} when matched then delete"
        self.spark.sql(merge, rows=rows)

    def publish(self) -> None:
        """Let readers see the branch; raise ``ConcurrentCommitError`` if the table has changed since it was opened."""
        catalog, name = self.table.split(".", 1)
        try:
            _alter(self.spark, f"call {catalog}.system.fast_forward('{name}', 'main', '{self.name}')")
        except (IllegalArgumentException, Py4JJavaError) as error:
            if "Cannot fast-forward" not in str(error):
                raise
            raise errors.ConcurrentCommitError(
                f"{self.table} was written to by another run meanwhile; nothing was committed, run again"
            ) from error

    def _writer(self, rows: DataFrame) -> Any:  # pyspark has moved the class between versions
        return rows.writeTo(self.path).options(**{
            "compression-codec": "zstd",
            "target-file-size-bytes": str(layout.FILE_BYTES),
            "use-table-distribution-and-ordering": "false",  # the rows are laid out already
            "fanout-enabled": "false",  # partition by partition, so one file is open at a time
            **{f"snapshot-property.{COMMIT}.{name}": value for name, value in self.commit.items()},
        })


@contextmanager
def branch(
    spark: SparkSession, table: str, schema: StructType, commit: Mapping[str, str] | None = None
) -> Iterator[Branch]:
    """Open a branch of a table that has this schema; it is gone afterwards, published or not."""
    full_name = _full_name(spark, table)
    _check_schema(spark, full_name, schema)
    _set_properties(spark, full_name)
    opened = Branch(spark, full_name, f"run_{uuid4().hex}", commit or {})
    _alter(spark, f"alter table {full_name} create branch {opened.name} retain 1 days")  # if the run is killed
    try:
        yield opened
    finally:
        _alter(spark, f"alter table {full_name} drop branch if exists {opened.name}")


def location(spark: SparkSession, table: str) -> str:
    """Return the path below which the table's files lie."""
    full_name = _full_name(spark, table)
    _read(spark, full_name)
    described = spark.sql(f"describe table extended {full_name}").where("col_name = 'Location'")
    return str(described.collect()[0].data_type)


def _alter(spark: SparkSession, sql: str) -> None:
    """Change a table's metadata; try again where another writer was first."""
    for attempt in range(ATTEMPTS):
        try:
            spark.sql(sql).collect()
        except Py4JJavaError as error:
            if "CommitFailedException" not in str(error) or attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _full_name(spark: SparkSession, table: str) -> str:
    parts = table.split(".")
    defaults = [spark.catalog.currentCatalog(), spark.catalog.currentDatabase()]
    return ".".join(defaults[: 3 - len(parts)] + parts)


def _read(spark: SparkSession, table: str) -> DataFrame:
    """Read a table as it is now: a session keeps what it knows of one, whatever others write."""
    try:
        spark.sql(f"refresh table {table}")
        return spark.table(table)
    except AnalysisException as error:
        if "TABLE_OR_VIEW_NOT_FOUND" not in str(error):
            raise
        raise errors.TableError(f"table {table} does not exist; it is created from ddl/tables") from error


def _check_schema(spark: SparkSession, table: str, schema: StructType) -> None:
    actual = _read(spark, table).schema
    expected = {(field.name, field.dataType.simpleString()) for field in schema}
    found = {(field.name, field.dataType.simpleString()) for field in actual}
    if expected != found:
        lacks, has = _columns(expected - found), _columns(found - expected)
        raise errors.TableError(f"table {table} has another schema: it lacks {lacks} and has {has}")


def _columns(columns: set[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in sorted(columns)) or "nothing"


def _set_properties(spark: SparkSession, table: str) -> None:
    have = {row.key: row.value for row in spark.sql(f"show tblproperties {table}").collect()}
    if any(have.get(key) != value for key, value in WRITE_PROPERTIES.items()):
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in WRITE_PROPERTIES.items())
        _alter(spark, f"alter table {table} set tblproperties ({pairs})")
