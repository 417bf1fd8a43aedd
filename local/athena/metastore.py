"""The catalog that Athena would have: plain tables with their properties, Iceberg's by their metadata.json, and views.

A lake in a folder gets the files of Trino's file metastore, from ``ddl`` and from its own catalog. That one Trino must
not read itself: it would keep a lock on it, on which every job would fail. The Glue catalog of the local AWS has the
tables already, made by Athena's DDL there, and gets the views.
"""

import base64
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local import files, lake_folder
from local.athena import catalogs, client, server

DDL = Path(__file__).parents[2] / "ddl"
DUMMY: list[Any] = [{"name": "dummy", "type": "string", "comment": None, "properties": {}}]  # an entry needs a column
VERSION = {"writerVersion": server.VERSION, "parameters": {}}
ENTRY = {**VERSION, "owner": "athena", "partitionColumns": [], "serdeParameters": {}, "columnStatistics": {}}
TABLE = {**ENTRY, "tableType": "EXTERNAL_TABLE", "storageFormat": "PARQUET"}
VIEW = {"presto_view": "true", "comment": "Presto View"}


def update(lake: Path | str, put: Callable[[str], client.Answer]) -> None:
    """Write what has changed since it was written; ``put`` is how to ask the lake's server."""
    note = catalogs.home(lake) / "metastore.json"
    before = json.loads(note.read_text()) if note.exists() else {"ddl": None, "tables": {}}
    tables, source = iceberg_tables(lake) if isinstance(lake, Path) else {}, digest(lake)
    if before["ddl"] != source or (isinstance(lake, str) and not has_views(put)):
        create(lake, tables, put)
    elif isinstance(lake, Path):
        follow(catalogs.metastore(lake), before["tables"], tables)
    if before != (now := {"ddl": source, "tables": tables}):
        _write(note, now)


def create(lake: Path | str, tables: dict[str, str], put: Callable[[str], client.Answer]) -> None:
    """Write all tables and views; of a bucket the views."""
    from deploy import ddl  # noqa: PLC0415  # its parser takes a third of a second

    if isinstance(lake, Path):
        schema = catalogs.metastore(lake)
        shutil.rmtree(schema, ignore_errors=True)
        _write(schema.with_name(f".{schema.name}.trinoSchema"), {**VERSION, "ownerName": "athena", "ownerType": "USER"})
        follow(schema, {}, tables)
        for table in ddl.tables(str(lake)):
            if not table.is_iceberg:
                _write(schema / table.name / ".trinoSchema", of_plain(table, lake_folder.remembered(lake)))
    for name, query in ddl.views().items():
        view = encoded(query, columns_of(query, put))
        if isinstance(lake, Path):
            _write(schema / name / ".trinoSchema", of_view(view))
        else:
            put_into_glue(name, view)


def follow(schema: Path, before: dict[str, str], now: dict[str, str]) -> None:
    """Write the Iceberg tables that are new or at another metadata.json, and delete those that are gone."""
    for name, metadata in now.items():
        if before.get(name) != metadata:
            _write(schema / name / ".trinoSchema", of_iceberg(metadata))
    for name in before.keys() - now.keys():
        shutil.rmtree(schema / name, ignore_errors=True)


def iceberg_tables(lake: Path) -> dict[str, str]:
    """Return the Iceberg tables in the catalog of a lake in a folder: each one's name and metadata.json."""
    with closing(sqlite3.connect(f"file:{quote(str(lake / lake_folder.CATALOG))}?mode=ro", uri=True)) as catalog:
        tables = "select table_name, metadata_location from iceberg_tables where table_namespace = ?"
        return dict(catalog.execute(tables, [catalogs.SCHEMA]))


def has_views(put: Callable[[str], client.Answer]) -> bool:
    """Whether the Glue catalog has the views: the local AWS forgets all when it stops."""
    return {path.stem for path in DDL.glob("views/*.sql")} <= {name for (name,) in put("SHOW TABLES").rows}


def columns_of(query: str, put: Callable[[str], client.Answer]) -> list[dict[str, str]]:
    """Return the names and types of what a query returns."""
    described = put(f"SELECT * FROM ({query}) LIMIT 0")
    return [{"name": column["name"], "type": column["type"]} for column in described.columns]


def digest(lake: Path | str) -> str:
    """Return what changes when ``ddl`` does, the folder of a plain table, or this code."""
    texts = [path.read_text() for path in [Path(__file__), *sorted(DDL.glob("*/*.sql"))]]
    paths = lake_folder.remembered(lake) if isinstance(lake, Path) else {}
    return hashlib.sha256(json.dumps([paths, *texts]).encode()).hexdigest()


def ddl_lines(lake: Path | str, kind: str, name: str) -> list[str]:
    """Return the statement of ``ddl`` that makes a table or view, line by line, as Athena's SHOW CREATE does."""
    path = DDL / f"{kind.lower()}s" / f"{name.strip(chr(34))}.sql"
    if not path.exists():
        return []
    from deploy import ddl  # noqa: PLC0415  # as above

    return [line for line in ddl.text(path, str(lake)).splitlines() if not line.startswith("--")]


def of_iceberg(metadata: str) -> dict[str, Any]:
    """Return an Iceberg table as a metastore has it: where its metadata.json is."""
    parameters = {"EXTERNAL": "TRUE", "table_type": "ICEBERG", "metadata_location": metadata}
    return {**TABLE, "dataColumns": DUMMY, "parameters": parameters, "externalLocation": "file:///"}


def of_plain(table: Any, paths: dict[str, str]) -> dict[str, Any]:
    """Return a plain table as a metastore has it."""
    columns = [
        {"name": column.name, "type": column.kind, "comment": column.comment, "properties": {}}
        for column in table.columns
    ]
    location = paths.get(table.name, table.location)
    return {
        **TABLE,
        "dataColumns": [column for column in columns if column["name"] not in table.partitions],
        "partitionColumns": [column for column in columns if column["name"] in table.partitions],
        "parameters": {"EXTERNAL": "TRUE", **table.properties},
        "externalLocation": location if ":/" in location else f"file://{location}",
    }


def of_view(encoded_query: str) -> dict[str, Any]:
    """Return a view as a metastore has it."""
    return {
        **ENTRY,
        "tableType": "VIRTUAL_VIEW",
        "dataColumns": DUMMY,
        "parameters": VIEW,
        "viewOriginalText": encoded_query,
        "viewExpandedText": "/* Presto View */",
    }


def put_into_glue(name: str, encoded_query: str) -> None:
    """Put a view into the Glue catalog of the local AWS, as Athena's CREATE OR REPLACE VIEW does."""
    import boto3  # noqa: PLC0415  # a third of a second

    glue = boto3.client("glue")
    view: Any = {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": VIEW,
        "ViewOriginalText": encoded_query,
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {"Columns": [{"Name": "dummy", "Type": "string"}], "SerdeInfo": {}, "NumberOfBuckets": 0},
        "PartitionKeys": [],
    }
    try:
        glue.create_table(DatabaseName=catalogs.SCHEMA, TableInput=view)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=catalogs.SCHEMA, TableInput=view)


def encoded(query: str, columns: list[dict[str, str]]) -> str:
    """Return a view's definition in the form that Presto, Trino and Athena keep it in."""
    definition = {
        "originalSql": query,
        "catalog": catalogs.CATALOG,
        "schema": catalogs.SCHEMA,
        "columns": columns,
        "runAsInvoker": True,
    }
    return f"/* Presto View: {base64.b64encode(json.dumps(definition).encode()).decode()} */"


def _write(path: Path, content: dict[str, Any]) -> None:
    files.replace(path, json.dumps(content, indent=1))
