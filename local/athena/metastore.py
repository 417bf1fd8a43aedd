"""``ddl`` as the catalog of Athena has it: plain tables with their properties, Iceberg's by name, and views.

A lake in a folder gets the files of Trino's file metastore; its own catalog says which Iceberg tables there are. The
Glue catalog of the local AWS has the tables already, made by Athena's DDL there, and gets the views.
"""

import base64
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local import lake_folder
from local.athena import catalogs, client

DDL = Path(__file__).parents[2] / "ddl"
DUMMY: list[Any] = [{"name": "dummy", "type": "string", "comment": None, "properties": {}}]  # an entry needs a column
ENTRY = {"owner": "athena", "partitionColumns": [], "serdeParameters": {}, "columnStatistics": {}}
TABLE = {**ENTRY, "tableType": "EXTERNAL_TABLE", "storageFormat": "PARQUET"}
VIEW = {"presto_view": "true", "comment": "Presto View"}


def update(lake: Path | str, put: Callable[[str], client.Answer]) -> None:
    """Write what is in ``ddl`` unless it is written already; ``put`` is how to ask the lake's server."""
    source = digest(lake)
    written = catalogs.home(lake) / "metastore.written"
    if written.exists() and written.read_text() == source and (isinstance(lake, Path) or has_views(put)):
        return
    from deploy import ddl  # noqa: PLC0415  # its parser takes a third of a second

    if isinstance(lake, Path):
        paths = lake_folder.remembered(lake)
        entries = {name: of_iceberg() for name in iceberg_tables(lake)}
        entries |= {table.name: of_plain(table, paths) for table in ddl.tables(str(lake)) if not table.is_iceberg}
        write(lake, entries, {*entries, *ddl.views()})
    views = {name: encoded(query, columns_of(query, put)) for name, query in ddl.views().items()}
    if isinstance(lake, Path):
        write(lake, {name: of_view(view) for name, view in views.items()}, {*entries, *views})
    else:
        put_into_glue(views)
    written.write_text(source)


def write(lake: Path, entries: dict[str, dict[str, Any]], names: set[str]) -> None:
    """Write entries of the file metastore, and delete those with other names."""
    schema = catalogs.home(lake) / "metastore" / catalogs.SCHEMA
    for name, entry in entries.items():
        _write(schema / name / ".trinoSchema", entry)
    _write(schema.with_name(f".{schema.name}.trinoSchema"), {"ownerName": "athena", "ownerType": "USER"})
    for folder in schema.iterdir():
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)


def iceberg_tables(lake: Path) -> list[str]:
    """Return the names of the Iceberg tables in the catalog of a lake in a folder."""
    with closing(sqlite3.connect(f"file:{quote(str(lake / lake_folder.CATALOG))}?mode=ro", uri=True)) as catalog:
        names = "select table_name from iceberg_tables where table_namespace = ? order by table_name"
        return [name for (name,) in catalog.execute(names, [catalogs.SCHEMA])]


def has_views(put: Callable[[str], client.Answer]) -> bool:
    """Whether the Glue catalog has the views: the local AWS forgets all when it stops."""
    return {path.stem for path in DDL.glob("views/*.sql")} <= {name for (name,) in put("SHOW TABLES").rows}


def columns_of(query: str, put: Callable[[str], client.Answer]) -> list[dict[str, str]]:
    """Return the names and types of what a query returns."""
    described = put(f"SELECT * FROM ({query}) LIMIT 0")
    return [{"name": column["name"], "type": column["type"]} for column in described.columns]


def digest(lake: Path | str) -> str:
    """Return what changes when ``ddl`` does, a table's name, a plain table's folder, or this code."""
    texts = [path.read_text() for path in [Path(__file__), *sorted(DDL.glob("*/*.sql"))]]
    if isinstance(lake, Path):
        texts += [json.dumps(lake_folder.remembered(lake)), *iceberg_tables(lake)]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def text_of(lake: Path | str, kind: str, *name: str) -> list[str]:
    """Return the statement of ``ddl`` that makes a table or view, line by line, as Athena's SHOW CREATE does."""
    path = DDL / f"{kind.lower()}s" / f"{name[-1].strip(chr(34))}.sql"
    if not path.exists():
        return []
    text = path.read_text().replace("${lake}", str(lake))
    return [line for line in text.splitlines() if not line.startswith("--")]


def of_iceberg() -> dict[str, Any]:
    """Return an Iceberg table as a metastore has it: a hint to look in the other catalog."""
    return {**TABLE, "dataColumns": DUMMY, "parameters": {"table_type": "ICEBERG"}, "externalLocation": "file:///"}


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


def put_into_glue(views: dict[str, str]) -> None:
    """Put views into the Glue catalog of the local AWS, as Athena's CREATE OR REPLACE VIEW does."""
    import boto3  # noqa: PLC0415  # a third of a second

    glue = boto3.client("glue")
    for name, encoded_query in views.items():
        view: Any = {
            "Name": name,
            "TableType": "VIRTUAL_VIEW",
            "Parameters": VIEW,
            "ViewOriginalText": encoded_query,
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": "dummy", "Type": "string"}],
                "SerdeInfo": {},
                "NumberOfBuckets": 0,
            },
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
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    whole.write_text(json.dumps({"writerVersion": "406", "parameters": {}, **content}, indent=1))
    whole.replace(path)
