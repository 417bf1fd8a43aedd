"""Athena's DDL for moto's server, which runs none: tables come and go in the Glue catalog, queries are not run."""

import functools
from collections.abc import Callable
from typing import Any

import sqlglot
from moto.athena.models import AthenaBackend
from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend, glue_backends
from sqlglot import exp

from deploy import ddl
from local.aws.patches import patch

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


def install() -> None:
    """Make Athena run DDL."""
    patch(AthenaBackend, start_query_execution=_running_ddl(AthenaBackend.start_query_execution))


def _running_ddl(start: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(start)
    def start_query_execution(athena: AthenaBackend, **request: Any) -> str:
        statement = sqlglot.parse_one(request["query"], read="athena")
        if isinstance(statement, exp.Create | exp.Drop | exp.Alter) and statement.args["kind"] in {"TABLE", "VIEW"}:
            catalog = glue_backends[athena.account_id][athena.region_name]
            run(catalog, request["context"]["Database"], request["query"], statement)
        return start(athena, **request)

    return start_query_execution


def run(catalog: GlueBackend, database: str, query: str, statement: exp.Expression) -> None:
    """Apply a DDL statement to the catalog."""
    target = statement.find(exp.Table)
    if target is None:
        raise JsonRESTError("InvalidRequestException", f"the statement names no table: {query}")
    name = target.name
    if isinstance(statement, exp.Create) and statement.args["kind"] == "VIEW":
        replace_view(catalog, database, name, query)
        return
    if isinstance(statement, exp.Create):
        table = ddl.read(query)
        catalog.create_table(database, table.name, table_input(table))
        return
    if isinstance(statement, exp.Drop):
        catalog.delete_table(database, name)
        return
    added = list(statement.find_all(exp.ColumnDef))
    comments = {
        change.this.name: change.args["comment"].name
        for change in statement.find_all(exp.AlterColumn)
        if change.args.get("comment")
    }
    if not added and not comments:
        raise JsonRESTError("InvalidRequestException", f"the local Athena cannot run: {query}")
    current = [*catalog.get_table(database, name).versions.values()][-1]
    columns = [
        {**column, "Comment": comments.get(column["Name"], column.get("Comment", ""))}
        for column in current["StorageDescriptor"]["Columns"]
    ]
    columns += [_column(ddl.column(column)) for column in added]
    storage = {**current["StorageDescriptor"], "Columns": columns}
    catalog.update_table(database, name, {**current, "StorageDescriptor": storage})


def replace_view(catalog: GlueBackend, database: str, name: str, query: str) -> None:
    """Create or replace a view, with its statement as text (Athena stores its own encoding of it)."""
    view = {"Name": name, "TableType": "VIRTUAL_VIEW", "Parameters": {"presto_view": "true"}, "ViewOriginalText": query}
    view["StorageDescriptor"] = {"Columns": []}
    if name in catalog.databases[database].tables:
        catalog.update_table(database, name, view)
    else:
        catalog.create_table(database, name, view)


def table_input(table: ddl.Table) -> dict[str, Any]:
    """Return a table as Glue's ``TableInput``."""
    keys = [] if table.is_iceberg else table.partitions
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **table.properties},
        "PartitionKeys": [_column(column) for column in table.columns if column.name in keys],
        "StorageDescriptor": {
            "Columns": [_column(column) for column in table.columns if column.name not in keys],
            "Location": table.location,
            **PARQUET,
        },
    }


def _column(column: ddl.Column) -> dict[str, str]:
    return {"Name": column.name, "Type": column.kind, "Comment": column.comment}
