"""Iceberg tables: written on a branch that no reader sees, then published in one commit.

Publishing fast-forwards ``main`` to the branch. It fails if another writer has committed since the branch was
opened, so a run never adds to a table that it has not compared with.

What a run notes in its commit is found again by the next: up to which snapshot of another table it has read, say.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from clickstream import errors
from clickstream.storage import layout

WRITE_PROPERTIES = {
    "write.metadata.delete-after-commit.enabled": "true",  # each run makes some versions of a small file
    "write.parquet.dict-size-bytes": "16384",  # a column chunk of distinct values gives up its dictionary early
}
MERGE_ON_READ = {"write.delete.mode": "merge-on-read", "write.merge.mode": "merge-on-read"}  # notes what is deleted
COMMIT = "clickstream"
ATTEMPTS = 5  # to change metadata beside other writers


@dataclass(frozen=True)
class Branch:
    """A branch of a table, opened from what readers see."""

    spark: SparkSession
    table: str  # catalog.database.table
    name: str
    base: int  # the snapshot that it was opened from
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

    def appended(self) -> DataFrame:
        """Return the rows that have been added to the branch."""
        (head,) = self.spark.sql(f"select snapshot_id from {self.table}.refs where name = '{self.name}'").collect()
        between = {"start-snapshot-id": str(self.base), "end-snapshot-id": str(head.snapshot_id)}
        return self.spark.read.options(**between).table(self.table)

    def delete(self, rows: DataFrame) -> None:
        """Take out the rows that are alike in all columns of these.

        They have to be spooled: Spark 4.1 cannot plan a merge whose source reads its target.
        """
        alike = " and ".join(f"stored.{column} <=> deleted.{column}" for column in rows.columns)
        self.delete_where(alike, rows)

    def delete_where(self, condition: str, rows: DataFrame) -> None:
        """Take out the rows that meet a condition on them (``stored``) and on one of ``rows`` at most (``deleted``)."""
        merge = f"merge into {self.path} as stored using {{rows}} as deleted on {condition} when matched then delete"
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
    spark: SparkSession,
    table: str,
    schema: StructType,
    commit: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
) -> Iterator[Branch]:
    """Open a branch of a table that has this schema; it is gone afterwards, published or not."""
    full_name, name = _full_name(spark, table), f"run_{uuid4().hex}"
    _check_schema(spark, full_name, schema)
    _set_properties(spark, full_name, WRITE_PROPERTIES | dict(properties or {}))
    _alter(spark, f"alter table {full_name} create branch {name} retain 1 days")  # if the run is killed
    try:
        (base,) = spark.sql(f"select snapshot_id from {full_name}.refs where name = '{name}'").collect()
        yield Branch(spark, full_name, name, base.snapshot_id, commit or {})
    finally:
        _alter(spark, f"alter table {full_name} drop branch if exists {name}")


@dataclass(frozen=True)
class Note:
    """What was noted in the newest commit that has a note."""

    commit: Mapping[str, str]
    is_newest: bool  # the table still holds what that commit left; compaction changes no row


def note(spark: SparkSession, table: str) -> Note | None:
    """Return what the newest run has noted in the table that readers see."""
    is_newest = True
    for snapshot in _lineage(spark, _full_name(spark, table)):
        prefix = f"{COMMIT}."
        commit = {key.removeprefix(prefix): value for key, value in snapshot.summary.items() if key.startswith(prefix)}
        if commit:
            return Note(commit, is_newest)
        is_newest &= snapshot.operation == "replace"
    return None


def return_to(spark: SparkSession, table: str, commit: Mapping[str, str]) -> bool:
    """Make what was noted with this the newest again, whatever came after; return whether it is still there."""
    full_name = _full_name(spark, table)
    noted = spark.table(f"{full_name}.snapshots")
    for name, value in commit.items():
        noted = noted.where(F.col("summary")[f"{COMMIT}.{name}"] == value)
    found = noted.orderBy(F.desc("committed_at")).select("snapshot_id").head()
    if found is None:
        return False
    catalog, name = full_name.split(".", 1)
    spark.sql(f"call {catalog}.system.set_current_snapshot('{name}', {found.snapshot_id})").collect()
    return True


def read(spark: SparkSession, table: str, schema: StructType, snapshot: int | None = None) -> DataFrame:
    """Read a table that has this schema, as of a snapshot."""
    full_name = _full_name(spark, table)
    _check_schema(spark, full_name, schema)
    return spark.sql(f"select * from {full_name} version as of {snapshot}") if snapshot else spark.table(full_name)


def snapshot(spark: SparkSession, table: str) -> int | None:
    """Return the snapshot that readers see; None of a table that nothing was ever written to."""
    full_name = _full_name(spark, table)
    _read(spark, full_name)
    newest = next(iter(_lineage(spark, full_name)), None)
    return newest.snapshot_id if newest else None


def changes(spark: SparkSession, table: str, since: int, until: int) -> DataFrame | None:
    """Return the rows that came (has_come) and went from one snapshot to a later one.

    A row that was moved to another file has come and gone. None where it cannot be told: the snapshots in between have
    expired, or deletions are only noted (as Athena does), which Iceberg cannot list.
    """
    full_name = _full_name(spark, table)
    if since == until:
        return spark.table(full_name).where(F.lit(False)).withColumn("has_come", F.lit(True))
    newest_first = {snapshot.snapshot_id: snapshot for snapshot in _lineage(spark, full_name)}
    if since not in newest_first or until not in newest_first:
        return None
    at = until
    while at != since:
        if "added-delete-files" in newest_first[at].summary:
            return None
        at = newest_first[at].parent_id
    between = {"start-snapshot-id": str(since), "end-snapshot-id": str(until)}
    changed = spark.read.options(**between).table(f"{full_name}.changes")
    # In a function, for Iceberg fails where Spark gives it a condition on that column.
    return changed.withColumn("has_come", F.upper("_change_type") == "INSERT")


def location(spark: SparkSession, table: str) -> str:
    """Return the path below which the table's files lie."""
    full_name = _full_name(spark, table)
    _read(spark, full_name)
    described = spark.sql(f"describe table extended {full_name}").where("col_name = 'Location'")
    return str(described.collect()[0].data_type)


def _lineage(spark: SparkSession, table: str) -> Iterator[Any]:
    """Give the snapshot that readers see, the one it was made from, and so on."""
    snapshots = {row.snapshot_id: row for row in spark.table(f"{table}.snapshots").collect()}
    heads = spark.sql(f"select snapshot_id from {table}.refs where name = 'main'").collect()
    at = heads[0].snapshot_id if heads else None
    while at in snapshots:
        yield snapshots[at]
        at = snapshots[at].parent_id


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


def _set_properties(spark: SparkSession, table: str, properties: Mapping[str, str]) -> None:
    have = {row.key: row.value for row in spark.sql(f"show tblproperties {table}").collect()}
    if any(have.get(key) != value for key, value in properties.items()):
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        _alter(spark, f"alter table {table} set tblproperties ({pairs})")
