"""Athena and the Glue catalog: the tables and views of ``ddl``."""

import hashlib
import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import ddl
from deploy.account import DATABASE, Account, is_missing
from deploy.errors import DeployError
from deploy.plan import Fields, differences

POLL_SECONDS = 0.5
PROJECTION = "projection."  # properties of which one too many changes what a query reads
VIEW_NAME = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS")
VIEW_FIELDS = (  # of GetTable, what UpdateTable takes
    "Name", "Owner", "TableType", "StorageDescriptor", "PartitionKeys", "ViewOriginalText", "ViewExpandedText",
)  # fmt: skip

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AthenaTable:
    """A table; its data is never deleted, so a table that leaves ``ddl/tables`` stays in the account."""

    table: ddl.Table
    sql: str
    account: Account

    @property
    def title(self) -> str:
        return f"table {self.table.name}"

    @property
    def desired(self) -> Fields:
        return _fields(
            {column.name: _column(column.kind, column.comment) for column in self.table.columns},
            [] if self.table.is_iceberg else list(self.table.partitions),
            self.table.location,
            {} if self.table.is_iceberg else self.table.properties,
        )

    def actual(self) -> Fields | None:
        table = _in_catalog(self.account, self.table.name)
        if table is None:
            return None
        columns = [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]
        parameters = {} if self.table.is_iceberg else table.get("Parameters", {})
        if self.table.is_iceberg:
            # It may have more columns, as for jobs (iceberg.check_columns). Commits list former ones, too.
            known = {column.name for column in self.table.columns}
            columns = [
                column
                for column in columns
                if column["Name"] in known
                and column.get("Parameters", {}).get("iceberg.field.current", "true") == "true"
            ]
        return _fields(
            {column["Name"]: _column(column["Type"], column.get("Comment", "")) for column in columns},
            [column["Name"] for column in table.get("PartitionKeys", [])],
            table["StorageDescriptor"]["Location"],
            {
                name: value
                for name, value in parameters.items()
                if name in self.table.properties or name.startswith(PROJECTION)
            },
        )

    def create(self) -> None:
        execute(self.account, self.sql)

    def update(self) -> None:
        """Recreate a plain table, whose files stay; of an Iceberg table add columns and change comments, no more."""
        if not self.table.is_iceberg:
            execute(self.account, f"DROP TABLE {self.table.name}")
            execute(self.account, self.sql)
            return
        actual = self.actual() or {}
        added, reworded, columns = [], [], dict(actual["Columns"])
        for column in self.table.columns:
            desired = self.desired["Columns"][column.name]
            if column.name not in columns:
                added.append(column)
            elif columns[column.name] != desired and columns[column.name].startswith(_column(column.kind, "")[:-1]):
                reworded.append(column)
            else:
                continue
            columns[column.name] = desired
        if rest := list(differences({**actual, "Columns": columns}, self.desired)):
            sentences = ", ".join(str(difference) for difference in rest)
            raise DeployError(f"{self.title}: {sentences}; docs/deploy.md says how to change that by hand")
        if added:
            execute(self.account, f"ALTER TABLE {self.table.name} ADD COLUMNS ({', '.join(map(_definition, added))})")
        for column in reworded:
            execute(self.account, f"ALTER TABLE {self.table.name} CHANGE COLUMN {column.name} {_definition(column)}")

    def delete(self) -> None:
        """Do nothing: whoever deletes the data deletes the table."""


@dataclass(frozen=True)
class AthenaView:
    """A view. Athena stores its query rewritten, so the hash of its text is stored as a parameter beside it."""

    name: str
    sql: str
    account: Account

    @property
    def title(self) -> str:
        return f"view {self.name}"

    @property
    def desired(self) -> Fields:
        return {"sha256": hashlib.sha256(self.sql.encode()).hexdigest()}

    def actual(self) -> Fields | None:
        table = self._table()
        return table and {"sha256": table["Parameters"].get("sha256", "")}

    def create(self) -> None:
        """Create or replace it."""
        execute(self.account, self.sql)
        table = self._table() or {}
        fields = {name: table[name] for name in VIEW_FIELDS if name in table}
        fields["Parameters"] = {**table.get("Parameters", {}), **self.desired}
        self.account.client("glue").update_table(DatabaseName=DATABASE, TableInput=fields)

    update = create

    def delete(self) -> None:
        """Do nothing: it stays with the tables that it reads."""

    def _table(self) -> dict[str, Any] | None:
        return _in_catalog(self.account, self.name)


def resources(account: Account) -> list[AthenaTable | AthenaView]:
    """List the tables and views of ``ddl``."""
    lake = f"s3://{account.bucket('lake')}"
    views = [path.read_text() for path in sorted(ddl.FOLDER.glob("views/*.sql"))]
    return [
        *[AthenaTable(ddl.read(text), text, account) for text in ddl.texts(lake, account.settings.athena.go_live)],
        *[AthenaView(VIEW_NAME.findall(text)[0], text, account) for text in views],
    ]


def execute(account: Account, sql: str) -> None:
    """Run a statement in Athena, and wait for its end."""
    logger.debug("Athena: %s", sql)
    athena = account.client("athena")
    started = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": DATABASE},
        WorkGroup=account.settings.athena.workgroup,
    )
    while True:
        query: dict[str, Any] = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        status = query["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return
        if status["State"] in {"FAILED", "CANCELLED"}:
            raise DeployError(f"Athena: {status.get('StateChangeReason', status['State'])}: {sql.splitlines()[-1]}")
        time.sleep(POLL_SECONDS)


def _in_catalog(account: Account, name: str) -> dict[str, Any] | None:
    try:
        table: dict[str, Any] = account.client("glue").get_table(DatabaseName=DATABASE, Name=name)["Table"]
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return table


def _fields(columns: Fields, partitions: list[str], location: str, properties: Fields) -> Fields:
    return {
        "Columns": columns,
        "PartitionKeys": partitions,
        "Location": location.rstrip("/"),
        "Parameters": properties,
    }


def _definition(column: ddl.Column) -> str:
    return f"{column.name} {column.kind} COMMENT '{column.comment}'"


def _column(kind: str, comment: str) -> str:
    return f"{kind.replace(' ', '')} '{comment}'"
