"""From a statement to what is printed: nothing but the answer goes to standard output."""

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clickstream.errors import ClickstreamError
from local import jars, lake_folder
from local.athena import catalogs, client, formats, metastore, server, statements

ERRORS = (ClickstreamError, client.QueryError, jars.FetchError, server.ServerError, statements.StatementError)


def answer(lake: Path | str, text: str, format_name: str) -> int:
    """Print the answer; return 0 only if there is one."""
    try:
        formats.WRITERS[format_name](ask(lake, text))
        sys.stdout.flush()
    except ERRORS as error:
        logging.getLogger(__name__).debug("sql: where it failed", exc_info=True)
        print(f"sql: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who reads it has enough: head, say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def ask(lake: Path | str, text: str) -> client.Answer:
    """Put a statement to the tables of a lake that is there."""
    statement = statements.parse(text)
    if isinstance(lake, Path):
        lake_folder.check(lake)
    if statement.begins("MSCK"):
        print(f"sql: there is nothing to repair: {statements.PARTITIONS}", file=sys.stderr)
        return client.Answer()
    port = server.find(lake)
    put = partial(client.ask, port, note=catalogs.home(lake) / server.NOTE)
    metastore.update(lake, put)
    if statement.begins("SHOW", "PARTITIONS"):
        return partitions(statement.words[2:], put)
    if statement.begins("SHOW", "CREATE") and len(statement.words) > 3:  # noqa: PLR2004  # a kind and a name
        _, _, kind, *name = statement.words
        if lines := metastore.ddl_lines(lake, kind, name[-1]):
            column = {"name": "createtab_stmt", "typeSignature": {"rawType": "varchar"}}
            return client.Answer([column], [[line] for line in lines])
    return put(statement.text)


def partitions(name: list[str], put: Callable[[str], client.Answer]) -> client.Answer:
    """Answer SHOW PARTITIONS, which Trino does not know: key=value/key=value of an Iceberg table's, as in Athena."""
    *prefix, table = [word.strip('"') for word in name] or [""]
    found = put(f'SELECT * FROM {"".join(prefix)}"{table}$partitions"')
    kind = found.columns[0]["typeSignature"]
    if kind["rawType"] != "row":
        print(f"sql: the partitions of {table} are projected, and Athena lists no such ones", file=sys.stderr)
        return client.Answer()
    rows = [[formats.text(kind, row[0])[1:-1].replace(", ", "/")] for row in found.rows]
    return client.Answer([{"name": "partition", "typeSignature": {"rawType": "varchar"}}], sorted(rows))
