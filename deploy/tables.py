"""Athena and the Glue catalog: the tables and views of ``ddl``."""

import hashlib
import re
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from deploy import ddl
from deploy.account import DATABASE, Account, is_missing
from deploy.errors import DeployError
from deploy.plan import Fields, differences

WORKGROUP = "analysts"
POLL_SECONDS = 0.5
VIEW_NAME = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS")
VIEW_FIELDS = (  # of GetTable, what UpdateTable takes
    "Name", "Owner", "TableType", "StorageDescriptor", "PartitionKeys", "ViewOriginalText", "ViewExpandedText",
)  # fmt: skip


@dataclass(frozen=True)
class AthenaTable:
    """A table; data is never deleted with it, so what leaves ``ddl/tables`` stays in the account."""

    table: ddl.Table
    sql: str
    account: Account

    @property
    def title(self) -> str:
        """Its kind and name."""
        return f"table {self.table.name}"

    @property
    def wanted(self) -> Fields:
        """Its columns, partitions and place."""
        return _fields(
            {column.name: _column(column.kind, column.comment) for column in self.table.columns},
            [] if self.table.is_iceberg else list(self.table.partitions),
            self.table.location,
        )

    def found(self) -> Fields | None:
        """Read them from the catalog."""
        table = _in_catalog(self.account, self.table.name)
        if table is None:
            return None
        # Iceberg's commits note earlier columns as well, as not current.
        columns = [
            column
            for column in [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]
            if column.get("Parameters", {}).get("iceberg.field.current", "true") == "true"
        ]
        return _fields(
            {column["Name"]: _column(column["Type"], column.get("Comment", "")) for column in columns},
            [column["Name"] for column in table.get("PartitionKeys", [])],
            table["StorageDescriptor"]["Location"],
        )

    def create(self) -> None:
        """Run its DDL."""
        run(self.account, self.sql)

    def update(self) -> None:
        """Declare a plain table anew, its files stay; add columns to an Iceberg table, or say that it needs a hand."""
        if not self.table.is_iceberg:
            run(self.account, f"DROP TABLE {self.table.name}")
            run(self.account, self.sql)
            return
        found = self.found() or {}
        added = [column for column in self.table.columns if column.name not in found["Columns"]]
        rest = {**found["Columns"], **{column.name: _column(column.kind, column.comment) for column in added}}
        if still := list(differences({**found, "Columns": rest}, self.wanted)):
            sentences = ", ".join(str(difference) for difference in still)
            raise DeployError(f"{self.title}: {sentences}; docs/runbook.md says how to change that by hand")
        columns = ", ".join(f"{column.name} {column.kind} COMMENT '{column.comment}'" for column in added)
        run(self.account, f"ALTER TABLE {self.table.name} ADD COLUMNS ({columns})")

    def delete(self) -> None:
        """Leave it to whoever deletes its data."""


@dataclass(frozen=True)
class AthenaView:
    """A view. Athena keeps its query in its own words, so what it was made of is noted beside it, as a hash."""

    name: str
    sql: str
    account: Account

    @property
    def title(self) -> str:
        """Its kind and name."""
        return f"view {self.name}"

    @property
    def wanted(self) -> Fields:
        """The hash of its text."""
        return {"sha256": hashlib.sha256(self.sql.encode()).hexdigest()}

    def found(self) -> Fields | None:
        """Read the hash of the text that it was made of."""
        table = self._table()
        return table and {"sha256": table["Parameters"].get("sha256", "")}

    def create(self) -> None:
        """Create or replace it."""
        run(self.account, self.sql)
        table = self._table() or {}
        given = {name: table[name] for name in VIEW_FIELDS if name in table}
        noted = {**given, "Parameters": {**table.get("Parameters", {}), **self.wanted}}
        self.account.client("glue").update_table(DatabaseName=DATABASE, TableInput=noted)

    update = create

    def delete(self) -> None:
        """Leave it with the tables that it reads."""

    def _table(self) -> dict[str, Any] | None:
        return _in_catalog(self.account, self.name)


def wanted(account: Account) -> list[AthenaTable | AthenaView]:
    """Give every table and view of ``ddl``."""
    lake = f"s3://{account.bucket('lake')}"
    views = [path.read_text() for path in sorted(ddl.FOLDER.glob("views/*.sql"))]
    return [
        *[AthenaTable(ddl.read(text), text, account) for text in ddl.texts(lake)],
        *[AthenaView(VIEW_NAME.findall(text)[0], text, account) for text in views],
    ]


def run(account: Account, sql: str) -> None:
    """Let Athena run a statement to its end."""
    athena = account.client("athena")
    started = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": DATABASE}, WorkGroup=WORKGROUP
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
        found: dict[str, Any] = account.client("glue").get_table(DatabaseName=DATABASE, Name=name)["Table"]
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return found


def _fields(columns: Fields, partitions: list[str], location: str) -> Fields:
    return {"Columns": columns, "PartitionKeys": partitions, "Location": location.rstrip("/")}


def _column(kind: str, comment: str) -> str:
    return f"{kind.replace(' ', '')} '{comment}'"
