"""Athena's DDL for moto's server, which runs none: tables come and go in the Glue catalog. Queries are not run."""

import functools
from collections.abc import Callable
from typing import Any

import sqlglot
from moto.athena.models import AthenaBackend
from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend, glue_backends
from sqlglot import exp

from deploy import ddl

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


def install() -> None:
    """Let Athena run DDL."""
    AthenaBackend.start_query_execution = _running_ddl(AthenaBackend.start_query_execution)  # type: ignore[method-assign]


def _running_ddl(start: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(start)
    def answer(athena: AthenaBackend, **asked: Any) -> str:
        statement = sqlglot.parse_one(asked["query"], read="athena")
        if isinstance(statement, exp.Create | exp.Drop | exp.Alter) and statement.args["kind"] in {"TABLE", "VIEW"}:
            catalog = glue_backends[athena.account_id][athena.region_name]
            run(catalog, asked["context"]["Database"], asked["query"], statement)
        return start(athena, **asked)

    return answer


def run(catalog: GlueBackend, database: str, query: str, statement: exp.Expression) -> None:
    """Do to the catalog what Athena would."""
    if isinstance(statement, exp.Create) and statement.args["kind"] == "VIEW":
        replace_view(catalog, database, statement.find(exp.Table).name, query)
        return
    if isinstance(statement, exp.Create):
        table = ddl.read(query)
        catalog.create_table(database, table.name, table_input(table))
        return
    name = statement.find(exp.Table).name
    if isinstance(statement, exp.Drop):
        catalog.delete_table(database, name)
        return
    added = list(statement.find_all(exp.ColumnDef))
    if not added:
        raise JsonRESTError("InvalidRequestException", f"the local Athena does not know how to run: {query}")
    given = [*catalog.get_table(database, name).versions.values()][-1]
    columns = [*given["StorageDescriptor"]["Columns"], *[_column(ddl.column(column)) for column in added]]
    storage = {**given["StorageDescriptor"], "Columns": columns}
    catalog.update_table(database, name, {**given, "StorageDescriptor": storage})


def replace_view(catalog: GlueBackend, database: str, name: str, query: str) -> None:
    """Note a view with its text; Athena keeps its query in its own words, in base64."""
    view = {"Name": name, "TableType": "VIRTUAL_VIEW", "Parameters": {"presto_view": "true"}, "ViewOriginalText": query}
    view["StorageDescriptor"] = {"Columns": []}
    if name in catalog.databases[database].tables:
        catalog.update_table(database, name, view)
    else:
        catalog.create_table(database, name, view)


def table_input(table: ddl.Table) -> dict[str, Any]:
    """Write a table as Glue's catalog has it."""
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
