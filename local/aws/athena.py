"""Athena's DDL for moto's server, which runs none: tables come and go in the Glue catalog, queries are not run.

An Iceberg table also gets the metadata.json that Athena writes: format 2, timestamps without a zone.
"""

import functools
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import sqlglot
from moto.athena.models import AthenaBackend
from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend, glue_backends
from moto.s3.models import S3Backend, s3_backends
from sqlglot import exp

from deploy import ddl
from local.aws.patches import patch

ICEBERG_TYPES = {"bigint": "long"}  # where they differ from Athena's names
FIRST_PARTITION_ID = 1000  # iceberg.apache.org/spec/#partition-evolution
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
            run(
                catalog,
                s3_backends[athena.account_id]["aws"],
                request["context"]["Database"],
                request["query"],
                statement,
            )
        return start(athena, **request)

    return start_query_execution


def run(catalog: GlueBackend, s3: S3Backend, database: str, query: str, statement: exp.Expression) -> None:
    """Apply a DDL statement to the catalog, and to the metadata of an Iceberg table."""
    target = statement.find(exp.Table)
    if target is None:
        raise JsonRESTError("InvalidRequestException", f"the statement names no table: {query}")
    name = target.name
    if isinstance(statement, exp.Create) and statement.args["kind"] == "VIEW":
        replace_view(catalog, database, name, query)
        return
    if isinstance(statement, exp.Create):
        table = ddl.read(query)
        created = table_input(table)
        if table.is_iceberg:
            write_metadata(s3, created, iceberg_metadata(table))
        catalog.create_table(database, table.name, created)
        return
    if isinstance(statement, exp.Drop):
        catalog.delete_table(database, name)
        return
    added = [ddl.column(definition) for definition in statement.find_all(exp.ColumnDef)]
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
    columns += map(_column, added)
    altered = {**current, "StorageDescriptor": {**current["StorageDescriptor"], "Columns": columns}}
    if "metadata_location" in current["Parameters"]:
        write_metadata(s3, altered, with_schema(read_metadata(s3, current), added, comments))
    catalog.update_table(database, name, altered)


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
            "NumberOfBuckets": -1,
            **PARQUET,
        },
    }


def iceberg_metadata(table: ddl.Table) -> dict[str, Any]:
    """Return the metadata of a new table: iceberg.apache.org/spec/#table-metadata-fields."""
    fields = [_field(number, column) for number, column in enumerate(table.columns, 1)]
    ids = {field["name"]: field["id"] for field in fields}
    partitions = [
        {"name": name, "transform": "identity", "source-id": ids[name], "field-id": number}
        for number, name in enumerate(table.partitions, FIRST_PARTITION_ID)
    ]
    last_id = len(fields)
    for field in fields:
        if isinstance(field["type"], dict):
            last_id += 1
            field["type"]["element-id"] = last_id
    return {
        "format-version": 2,
        "table-uuid": str(uuid4()),
        "location": table.location.rstrip("/"),
        "last-sequence-number": 0,
        "last-updated-ms": int(time.time() * 1000),
        "last-column-id": last_id,
        "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": fields}],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": partitions}],
        "last-partition-id": FIRST_PARTITION_ID - 1 + len(partitions),
        "default-sort-order-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": {"write.parquet.compression-codec": table.properties["write_compression"]},
        "current-snapshot-id": -1,
        "snapshots": [],
    }


def with_schema(metadata: dict[str, Any], added: list[ddl.Column], comments: dict[str, str]) -> dict[str, Any]:
    """Add a schema with more columns and other comments, and make it the current one."""
    (current,) = (one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"])
    kept = [{**field, "doc": comments.get(field["name"], field["doc"])} for field in current["fields"]]
    fields = [_field(number, column) for number, column in enumerate(added, metadata["last-column-id"] + 1)]
    schema_id = max(one["schema-id"] for one in metadata["schemas"]) + 1
    schema = {**current, "schema-id": schema_id, "fields": [*kept, *fields]}
    return {
        **metadata,
        "schemas": [*metadata["schemas"], schema],
        "current-schema-id": schema_id,
        "last-column-id": metadata["last-column-id"] + len(fields),
    }


def write_metadata(s3: S3Backend, table: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Put a metadata.json into the table's folder, and its location into the entry of the catalog."""
    location = f"{metadata['location']}/metadata/00000-{uuid4()}.metadata.json"
    bucket, key = _bucket_and_key(location)
    if bucket not in s3.buckets:
        raise JsonRESTError("InvalidRequestException", f"the bucket {bucket} does not exist")
    s3.put_object(bucket, key, json.dumps(metadata).encode())
    table["Parameters"] = {**table["Parameters"], "metadata_location": location}


def read_metadata(s3: S3Backend, table: dict[str, Any]) -> dict[str, Any]:
    """Read the metadata.json that the entry of the catalog names."""
    found = s3.get_object(*_bucket_and_key(table["Parameters"]["metadata_location"]))
    return dict(json.loads(found.value)) if found else {}


def _bucket_and_key(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def _field(number: int, column: ddl.Column) -> dict[str, Any]:
    return {
        "id": number,
        "name": column.name,
        "required": False,
        "type": _iceberg_type(column.kind),
        "doc": column.comment,
    }


def _iceberg_type(kind: str) -> Any:
    """Return Athena's type as Iceberg has it; a list's element still lacks its id."""
    if kind.startswith("array<"):
        element = kind.removeprefix("array<").removesuffix(">")
        return {"type": "list", "element": _iceberg_type(element), "element-required": False}
    return ICEBERG_TYPES.get(kind, kind)


def _column(column: ddl.Column) -> dict[str, str]:
    return {"Name": column.name, "Type": column.kind, "Comment": column.comment}
