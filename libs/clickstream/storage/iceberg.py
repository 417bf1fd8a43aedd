"""Iceberg tables: written on a branch that no reader sees, then published in one commit.

Publishing fast-forwards ``main`` to the branch. It fails if another writer has committed since the branch was
opened, so a run never adds to a table that it has not compared with.

Rows come out of a table as instants and go into it in UTC without a zone (``schemas``). Metadata is read and changed by
Iceberg's Java API: no Spark job, and no statement to plan.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import takewhile
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType, TimestampNTZType

from clickstream import errors
from clickstream.runtime.glue import FILE_BYTES
from clickstream.schemas import Contract
from clickstream.storage import layout

WRITE_PROPERTIES = {
    "write.metadata.delete-after-commit.enabled": "true",  # each run makes some versions of a small file
    "write.parquet.dict-size-bytes": "16384",  # a column chunk of distinct values gives up its dictionary early
}
MERGE_ON_READ = {  # a delete or an update adds a small file instead of writing large ones again
    "write.delete.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
}
SNAPSHOT_PROPERTY = "clickstream."  # prefix of what a run says of itself in a snapshot's summary
LATEST_COMMIT = "clickstream.latest-commit"  # property of a table: the same, for when that snapshot has expired
BRANCH_AGE_MS = 24 * 3600 * 1000  # for which the branch of a killed run is kept
BRANCH_SNAPSHOTS = 100  # that expiry leaves of an open branch: all of the run's own, and the one it began with
CHANGES = {"added-data-files", "deleted-data-files", "added-delete-files", "removed-delete-files"}
ATTEMPTS = 5  # to change metadata beside other writers


@dataclass
class Branch:
    """A branch of a table, made when it is first written to, from what readers saw when it was opened."""

    spark: SparkSession
    table: str  # catalog.database.table
    contract: Contract
    base: int | None  # the snapshot that readers see; None: the table has none yet
    snapshot_properties: Mapping[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"run_{uuid4().hex}")

    @cached_property
    def path(self) -> str:
        """The name under which Spark reads and writes the branch."""

        def create(table: Any) -> None:
            if self.base is None and table.currentSnapshot() is not None:
                raise self._overtaken()
            at = () if self.base is None else (self.base,)
            branch = table.manageSnapshots().createBranch(self.name, *at)
            # A branch is as old as its latest snapshot, which at first is another run's.
            base_age = 0 if self.base is None else int(time.time() * 1000) - table.snapshot(self.base).timestampMillis()
            branch.setMaxRefAgeMs(self.name, base_age + BRANCH_AGE_MS)
            branch.setMinSnapshotsToKeep(self.name, BRANCH_SNAPSHOTS).commit()

        _commit(self.spark, self.table, create)
        return f"{self.table}.branch_{self.name}"

    def stored(self, condition: Column | None = None) -> DataFrame:
        """Read what readers saw when the branch was opened; the condition is on the columns of the table itself."""
        return _instants(self._known(_as_of(self.spark, self.table, self.base)), condition)

    def published(self, condition: Column | None = None) -> DataFrame:
        """Read what readers see now; the condition is on the columns of the table itself."""
        return _instants(self._known(self.spark.table(self.table)), condition)

    def append(self, rows: DataFrame) -> None:
        """Add rows."""
        self._writer(rows).append()

    def overwrite(self, rows: DataFrame, condition: Column) -> None:
        """Put rows in place of all that meet a condition on the partitions."""
        self._writer(rows).overwrite(condition)

    def delete(self, rows: DataFrame) -> None:
        """Delete the rows that are alike in all columns of these.

        These have to be staged: Spark 4.1 cannot plan a merge whose source reads its target.
        """
        alike = " and ".join(f"stored.{column} <=> deleted.{column}" for column in rows.columns)
        self.delete_where(alike, rows)

    def delete_where(self, condition: str, rows: DataFrame) -> None:
        """Delete the rows that meet a condition on them (``stored``) and on one of ``rows`` at most (``deleted``)."""
        merge = f"merge into {self.path} as stored using {{rows}} as deleted on {condition} when matched then delete"
        self.spark.sql(merge, rows=_without_zones(rows))

    def appended(self) -> DataFrame:
        """Read the rows that have been added to the branch."""
        if self.base is None:
            return _instants(self._known(self.spark.table(self.path)))
        head = _table(self.spark, self.table).refs()[self.name].snapshotId()
        between = {"start-snapshot-id": str(self.base), "end-snapshot-id": str(head)}
        return _instants(self._known(self.spark.read.options(**between).table(self.table)))

    def publish(self) -> None:
        """Let readers see the branch, if it changes anything.

        Raise ``ConcurrentCommitError`` if the table has changed since the branch was opened.
        """
        if not self._has_changes():
            return

        def fast_forward(table: Any) -> None:
            head = int(table.refs()[self.name].snapshotId())
            transaction = table.newTransaction()
            transaction.manageSnapshots().fastForwardBranch("main", self.name).removeBranch(self.name).commit()
            _keep(transaction, head, self.snapshot_properties)
            transaction.commitTransaction()

        try:
            _commit(self.spark, self.table, fast_forward)
        except (IllegalArgumentException, Py4JJavaError) as error:
            if "Cannot fast-forward" not in str(error):
                raise
            raise self._overtaken() from error

    def close(self) -> None:
        """Remove the branch where it was made and not published."""

        def remove(table: Any) -> None:
            if self.name in table.refs():
                table.manageSnapshots().removeBranch(self.name).commit()

        if self._is_made:
            _commit(self.spark, self.table, remove)

    def _overtaken(self) -> errors.ConcurrentCommitError:
        return errors.ConcurrentCommitError(
            f"{self.table} was written to by another run meanwhile; nothing was committed, run again"
        )

    @property
    def _is_made(self) -> bool:
        return "path" in self.__dict__

    def _has_changes(self) -> bool:
        if not self._is_made:
            return False
        table = _table(self.spark, self.table)
        head = table.snapshot(table.refs()[self.name].snapshotId())
        own = takewhile(lambda snapshot: snapshot.snapshotId() != self.base, _lineage(table, head))
        return any(CHANGES & set(snapshot.summary()) for snapshot in own)

    def _known(self, rows: DataFrame) -> DataFrame:
        return rows.select(*self.contract.columns.names)

    def _writer(self, rows: DataFrame) -> Any:  # pyspark has moved the class between versions
        known = _conformed(rows, self.contract.columns)
        others = [column for column in self.spark.table(self.table).schema if column.name not in known.columns]
        whole = known.select("*", *[F.lit(None).cast(column.dataType).alias(column.name) for column in others])
        clustered = layout.clustered_by_partition(whole, self.contract)
        properties = {f"snapshot-property.{SNAPSHOT_PROPERTY}{key}": v for key, v in self.snapshot_properties.items()}
        return clustered.writeTo(self.path).options(**{
            "compression-codec": "zstd",
            "target-file-size-bytes": str(FILE_BYTES),
            "use-table-distribution-and-ordering": "false",  # the rows are clustered already
            "fanout-enabled": "false",  # partition by partition, so one file is open at a time
            **properties,
        })


@contextmanager
def open_branch(
    spark: SparkSession,
    table: str,
    contract: Contract,
    snapshot_properties: Mapping[str, str] | None = None,
    table_properties: Mapping[str, str] | None = None,
) -> Iterator[Branch]:
    """Open a branch of a table that has this contract's columns; it is gone afterwards, published or not."""
    name = full_name(spark, table)
    check_columns(spark, name, contract)
    _set_properties(spark, name, WRITE_PROPERTIES | dict(table_properties or {}))
    branch = Branch(spark, name, contract, current_snapshot(spark, name), snapshot_properties or {})
    try:
        yield branch
    finally:
        branch.close()


@dataclass(frozen=True)
class Commit:
    """What a run has said of itself in the latest snapshot that has such properties."""

    properties: Mapping[str, str]
    is_current: bool  # the table is known to hold what that commit left; compaction changes no row


def latest_commit(spark: SparkSession, table: str) -> Commit | None:
    """Return the snapshot properties of the latest run whose rows readers see, also where the snapshot has expired."""
    java = _table(spark, full_name(spark, table))
    is_current, oldest = True, None
    for oldest in _lineage(java, java.currentSnapshot()):
        if properties := _properties_of(oldest):
            return Commit(properties, is_current)
        is_current &= str(oldest.operation()) == "replace"
    kept = dict(java.properties()).get(LATEST_COMMIT)
    if kept is None or oldest is None or oldest.parentId() is None:  # no snapshot of a run has expired
        return None
    latest = json.loads(kept)
    return Commit(latest["properties"], is_current and latest["snapshot"] == oldest.parentId())


def latest_properties(spark: SparkSession, table: str) -> Mapping[str, str]:
    """Return the snapshot properties of the latest run; none of a table that no run has written to."""
    latest = latest_commit(spark, table)
    return latest.properties if latest else {}


def rollback_to(spark: SparkSession, table: str, properties: Mapping[str, str]) -> bool:
    """Make the latest snapshot with these properties current again; return whether it is still there."""
    name = full_name(spark, table)
    matching = [
        snapshot
        for snapshot in _table(spark, name).snapshots()
        if properties.items() <= _properties_of(snapshot).items()
    ]
    if not matching:
        return False
    latest = max(matching, key=lambda snapshot: snapshot.timestampMillis())

    def set_current(java: Any) -> None:
        transaction = java.newTransaction()
        transaction.manageSnapshots().setCurrentSnapshot(latest.snapshotId()).commit()
        _keep(transaction, int(latest.snapshotId()), _properties_of(latest))
        transaction.commitTransaction()

    _commit(spark, name, set_current)
    return True


def read(
    spark: SparkSession,
    table: str,
    contract: Contract,
    condition: Column | None = None,
    snapshot: int | None = None,
) -> DataFrame:
    """Read a table that has this contract's columns, as of a snapshot; the condition is on the table's own columns."""
    name = full_name(spark, table)
    check_columns(spark, name, contract)
    rows = _as_of(spark, name, snapshot) if snapshot else spark.table(name)
    return _instants(rows.select(*contract.columns.names), condition)


def current_snapshot(spark: SparkSession, table: str) -> int | None:
    """Return the snapshot that readers see; None of a table that nothing was ever written to."""
    snapshot = _table(spark, full_name(spark, table)).currentSnapshot()
    return None if snapshot is None else int(snapshot.snapshotId())


def is_empty(spark: SparkSession, table: str) -> bool:
    """Whether readers see no row; where the latest snapshot's own counts cannot say, rows are looked for."""
    snapshot = _table(spark, full_name(spark, table)).currentSnapshot()
    if snapshot is None:
        return True
    totals = {name: int(count) for name, count in dict(snapshot.summary()).items() if name.startswith("total-")}
    if totals.get("total-records") == 0:
        return True
    if totals.get("total-equality-deletes") == 0 and totals["total-records"] > totals["total-position-deletes"]:
        return False
    return spark.table(full_name(spark, table)).isEmpty()


def snapshots(spark: SparkSession, table: str) -> set[int]:
    """Return all snapshots of a table."""
    return {int(snapshot.snapshotId()) for snapshot in _table(spark, full_name(spark, table)).snapshots()}


@dataclass(frozen=True)
class Changes:
    """The rows that were inserted (is_insert) and deleted from one snapshot of a table to a later one."""

    rows: DataFrame  # one that was moved to another file is both
    partitions: frozenset[date]  # that the rows lie in


def changes(spark: SparkSession, table: str, since: int, until: int, partition: str) -> Changes | None:
    """Return what has changed between two snapshots, with the values of a partition column of type date.

    Where rows were only added, the files that were added are read; else Iceberg's changelog. None where Iceberg cannot
    say: the snapshots in between have expired, or have delete files (as Athena writes them).
    """
    name = full_name(spark, table)
    java = _table(spark, name)
    latest_first = {int(snapshot.snapshotId()): snapshot for snapshot in _lineage(java, java.currentSnapshot())}
    if since not in latest_first or until not in latest_first:
        return None
    between, at = [], until
    while at != since:
        between.append(latest_first[at])
        at = int(latest_first[at].parentId())
    if any("added-delete-files" in snapshot.summary() for snapshot in between):
        return None
    only_added = all(str(snapshot.operation()) in {"append", "replace"} for snapshot in between)
    options = {"start-snapshot-id": str(since), "end-snapshot-id": str(until)}
    if only_added:
        rows = _instants(spark.read.options(**options).table(name)).withColumn("is_insert", F.lit(True))
    else:
        changed = _instants(spark.read.options(**options).table(f"{name}.changes"))
        # In a function, for Iceberg fails where Spark gives it a condition on that column.
        rows = changed.withColumn("is_insert", F.upper("_change_type") == "INSERT")
    return Changes(rows, _changed_partitions(spark, java, between, partition))


def location(spark: SparkSession, table: str) -> str:
    """Return the path below which the table's files lie."""
    return str(_table(spark, full_name(spark, table)).location())


def full_name(spark: SparkSession, table: str) -> str:
    """Return catalog.database.table of a name that may lack the first or both."""
    parts = table.split(".")
    defaults = [spark.catalog.currentCatalog(), spark.catalog.currentDatabase()]
    return ".".join(defaults[: 3 - len(parts)] + parts)


def check_columns(spark: SparkSession, table: str, contract: Contract) -> None:
    """Raise ``TableError`` where a table lacks a column of the contract, or has another type; it may have more."""
    name = full_name(spark, table)
    _table(spark, name)
    actual = {(column.name, column.dataType.simpleString()) for column in spark.table(name).schema}
    expected = {(column.name, column.dataType.simpleString()) for column in contract.columns}
    if lacking := expected - actual:
        lacks, has = _list(lacking), _list(actual - expected)
        raise errors.TableError(f"table {name} has another schema: it lacks {lacks} and has {has}")


def _table(spark: SparkSession, table: str) -> Any:
    """Return Iceberg's ``Table`` as it is now; raise ``TableError`` where there is none."""
    jvm: Any = spark._jvm  # noqa: SLF001  # Iceberg's own API has no Python
    try:
        java = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, table)  # noqa: SLF001
        java.refresh()  # a session keeps what it knows of a table, whatever others write
    except (AnalysisException, Py4JJavaError) as error:
        if not any(name in str(error) for name in ("TABLE_OR_VIEW_NOT_FOUND", "NoSuchTable", "NoSuchNamespace")):
            raise
        raise errors.TableError(f"table {table} does not exist; it is created from ddl/tables") from error
    return java


def _as_of(spark: SparkSession, table: str, snapshot: int | None) -> DataFrame:
    """Read a table as of a snapshot; without one it held nothing."""
    if snapshot is None:
        return spark.table(table).where(F.lit(False))
    return spark.sql(f"select * from {table} version as of {snapshot}")


def _commit(spark: SparkSession, table: str, change: Callable[[Any], None]) -> None:
    """Change a table's metadata; try again where another writer was first."""
    for attempt in range(ATTEMPTS):
        try:
            change(_table(spark, table))
        except Py4JJavaError as error:
            if "CommitFailedException" not in str(error) or attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _keep(transaction: Any, snapshot: int, properties: Mapping[str, str]) -> None:
    """Keep what a snapshot says of its run where expiry does not take it, in the commit that makes it current."""
    if properties:
        kept = json.dumps({"snapshot": snapshot, "properties": dict(properties)})
        transaction.updateProperties().set(LATEST_COMMIT, kept).commit()


def _set_properties(spark: SparkSession, table: str, properties: Mapping[str, str]) -> None:
    if properties.items() <= dict(_table(spark, table).properties()).items():
        return

    def update(java: Any) -> None:
        pending = java.updateProperties()
        for key, value in properties.items():
            pending.set(key, value)
        pending.commit()

    _commit(spark, table, update)


def _lineage(table: Any, snapshot: Any) -> Iterator[Any]:
    """Give a snapshot, if there is one, the one it was made from, and so on."""
    while snapshot is not None:
        yield snapshot
        snapshot = table.snapshot(snapshot.parentId()) if snapshot.parentId() is not None else None


def _properties_of(snapshot: Any) -> dict[str, str]:
    return {
        key.removeprefix(SNAPSHOT_PROPERTY): value
        for key, value in dict(snapshot.summary()).items()
        if key.startswith(SNAPSHOT_PROPERTY)
    }


def _instants(rows: DataFrame, condition: Column | None = None) -> DataFrame:
    """Give the times of a table their zone, UTC; a condition before that can be pushed down to its files."""
    chosen = rows if condition is None else rows.where(condition)
    times = [column.name for column in chosen.schema if isinstance(column.dataType, TimestampNTZType)]
    return chosen.withColumns({name: F.col(name).cast("timestamp") for name in times})


def _without_zones(rows: DataFrame) -> DataFrame:
    times = [name for name, kind in rows.dtypes if kind == "timestamp"]
    return rows.withColumns({name: F.col(name).cast("timestamp_ntz") for name in times})


def _conformed(rows: DataFrame, columns: StructType) -> DataFrame:
    return rows.select(*[F.col(column.name).cast(column.dataType).alias(column.name) for column in columns])


def _changed_partitions(spark: SparkSession, table: Any, snapshots: list[Any], column: str) -> frozenset[date]:
    """Return the dates of a partition column that the files have which these snapshots add and delete."""
    jvm: Any = spark._jvm  # noqa: SLF001
    integer = jvm.java.lang.Class.forName("java.lang.Integer")
    files = [
        file
        for snapshot in snapshots
        if str(snapshot.operation()) != "replace"
        for changed in (snapshot.addedDataFiles(table.io()), snapshot.removedDataFiles(table.io()))
        for file in changed
    ]
    days = set()
    for file in files:
        names = [partition.name() for partition in table.specs()[file.specId()].fields()]
        days.add(file.partition().get(names.index(column), integer))
    return frozenset(date(1970, 1, 1) + timedelta(days=day) for day in days)


def _list(columns: set[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in sorted(columns)) or "nothing"
