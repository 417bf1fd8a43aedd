"""``ddl`` as the catalog of Athena has it: plain tables with their properties, Iceberg's by name only, and views.

A lake in a folder gets the files of Trino's file metastore. The Glue catalog of the local AWS has the tables already,
made by Athena's DDL there, and gets the views.
"""

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import lake_folder
from local.athena import catalogs

DDL = Path(__file__).parents[2] / "ddl"

Columns = list[tuple[str, str]]  # names, and types as Trino spells them


def update(lake: Path | str, columns_of: Callable[[str], Columns]) -> None:
    """Write what is in ``ddl`` unless it is written already; ``columns_of`` asks the server what a query returns."""
    source = digest(lake)
    written = catalogs.home(lake) / "metastore.written"
    if written.exists() and written.read_text() == source:
        return
    from deploy import ddl  # noqa: PLC0415  # its parser takes a third of a second

    if isinstance(lake, Path):
        schema = catalogs.home(lake) / "metastore" / catalogs.SCHEMA
        shutil.rmtree(schema, ignore_errors=True)
        _write(schema.with_name(f".{schema.name}.trinoSchema"), {"ownerName": "athena", "ownerType": "USER"})
        for table in ddl.tables(str(lake)):
            _write(schema / table.name / ".trinoSchema", of_table(table, lake_folder.remembered(lake)))
    for name, query in ddl.views().items():
        view = encoded(query, columns_of(query))
        if isinstance(lake, Path):
            _write(schema / name / ".trinoSchema", of_view(view))
        else:
            put_into_glue(name, view)
    written.write_text(source)


def digest(lake: Path | str) -> str:
    """Return what changes when ``ddl``, a plain table's folder, the local AWS or this code does."""
    paths = lake_folder.remembered(lake) if isinstance(lake, Path) else os.environ["AWS_ENDPOINT_URL"]
    texts = [path.read_bytes() for path in [Path(__file__), *sorted(DDL.glob("*/*.sql"))]]
    return hashlib.sha256(json.dumps([str(lake), paths]).encode() + b"\0".join(texts)).hexdigest()


def text_of(lake: Path | str, kind: str, *name: str) -> str | None:
    """Return the statement of ``ddl`` that makes a table or view, which is what Athena's SHOW CREATE answers."""
    path = DDL / f"{kind.lower()}s" / f"{name[-1].strip(chr(34))}.sql"
    if not path.exists():
        return None
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    return "\n".join(lines).replace("${lake}", str(lake))


def of_table(table: Any, paths: dict[str, str]) -> dict[str, Any]:
    """Return a table as a metastore has it; of an Iceberg table the name and ``table_type`` are what counts."""
    keys = () if table.is_iceberg else table.partitions
    columns = [
        {"name": column.name, "type": column.kind, "comment": column.comment, "properties": {}}
        for column in table.columns
    ]
    return {
        "owner": "athena",
        "tableType": "EXTERNAL_TABLE",
        "dataColumns": [column for column in columns if column["name"] not in keys],
        "partitionColumns": [column for column in columns if column["name"] in keys],
        "parameters": {"EXTERNAL": "TRUE", **table.properties},
        "storageFormat": "PARQUET",
        "serdeParameters": {},
        "externalLocation": _as_url(paths.get(table.name, table.location)),
        "columnStatistics": {},
    }


def of_view(encoded_query: str) -> dict[str, Any]:
    """Return a view as a metastore has it."""
    return {
        "owner": "athena",
        "tableType": "VIRTUAL_VIEW",
        "dataColumns": [{"name": "dummy", "type": "string", "comment": None, "properties": {}}],  # as Trino writes it
        "partitionColumns": [],
        "parameters": {"presto_view": "true", "comment": "Presto View"},
        "serdeParameters": {},
        "viewOriginalText": encoded_query,
        "viewExpandedText": "/* Presto View */",
        "columnStatistics": {},
    }


def put_into_glue(name: str, encoded_query: str) -> None:
    """Put a view into the Glue catalog of the local AWS, as Athena's CREATE VIEW does."""
    import boto3  # noqa: PLC0415  # a third of a second

    glue = boto3.client("glue")
    view: Any = {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": encoded_query,
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {"Columns": [{"Name": "dummy", "Type": "string"}]},
        "PartitionKeys": [],
    }
    try:
        glue.create_table(DatabaseName=catalogs.SCHEMA, TableInput=view)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=catalogs.SCHEMA, TableInput=view)


def encoded(query: str, columns: Columns) -> str:
    """Return a view's definition in the form that Presto, Trino and Athena keep it in."""
    definition = {
        "originalSql": query,
        "catalog": catalogs.CATALOG,
        "schema": catalogs.SCHEMA,
        "columns": [{"name": name, "type": kind} for name, kind in columns],
        "runAsInvoker": True,
    }
    return f"/* Presto View: {base64.b64encode(json.dumps(definition).encode()).decode()} */"


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    whole.write_text(json.dumps({"writerVersion": "406", "parameters": {}, **content}, indent=1))
    whole.replace(path)


def _as_url(path: str) -> str:
    return (path if ":/" in path else f"file://{path}").rstrip("/")
