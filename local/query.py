"""Answer queries in Athena's SQL with Spark: nothing but the answer goes to standard output."""

import csv
import logging
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import sqlglot
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sqlglot import exp

from clickstream.errors import ClickstreamError
from local import lake as lakes
from local import s3_lake


class QueryError(Exception):
    """The query cannot be answered as it was asked."""


def answer(lake: Path | str, query: str, format_name: str) -> int:
    """Print the answer; return 0 only if there is one."""
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        WRITERS[format_name](ask(lake, query))
    except (QueryError, ClickstreamError, sqlglot.errors.SqlglotError, PySparkException) as error:
        logging.getLogger(__name__).debug("sql: where it failed", exc_info=True)
        print(f"sql: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def ask(lake: Path | str, query: str) -> DataFrame:
    """Put the query to the tables of a lake that is there."""
    translated = translate(query)
    if isinstance(lake, str):
        return with_binary_as_hex(s3_lake.session_to_query(lake).sql(translated))
    if not lakes.exists(lake):
        raise QueryError(f"no lake at {lake}; run a job first or give --lake DIR")
    return with_binary_as_hex(lakes.session(lake).sql(translated))


def translate(query: str) -> str:
    """Write one statement of Athena's in Spark's SQL."""
    statements = [tree for tree in sqlglot.parse(query, read="athena") if tree and not isinstance(tree, exp.Semicolon)]
    if len(statements) != 1:
        raise QueryError(f"one statement is answered at a time, not {len(statements)}")
    return statements[0].sql("spark")


def with_binary_as_hex(rows: DataFrame) -> DataFrame:
    """Write binary columns as Athena does: 61 62 63."""
    numbered = _numbered(rows)
    shown = [
        F.regexp_replace(F.lower(F.hex(name)), "(..)(?=.)", "$1 ") if kind == "binary" else F.col(name)
        for name, kind in numbered.dtypes
    ]
    return numbered.select(shown).toDF(*rows.columns)


def as_table(rows: DataFrame) -> list[list[str]]:
    """Collect the rows as text, the names first; null is empty."""
    numbered = _numbered(rows)
    texts = numbered.select([F.col(name).cast("string") for name in numbered.columns])
    return [rows.columns, *[["" if value is None else value for value in row] for row in texts.collect()]]


def write_table(rows: DataFrame) -> None:
    """Print columns that are as wide as their widest value."""
    table = as_table(rows)
    widths = [max(len(value) for value in column) for column in zip(*table, strict=True)]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip() for row in table]
    print("\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]]))


def write_csv(rows: DataFrame) -> None:
    """Print comma-separated values with a header."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(as_table(rows))


def write_json(rows: DataFrame) -> None:
    """Print one array of objects; in Spark's own text of them no number loses a digit."""
    if repeated := [name for name, times in Counter(rows.columns).items() if times > 1]:
        raise QueryError(f"two columns are named {repeated[0]}; name them apart, or take another --format than json")
    objects = rows.select(F.to_json(F.struct("*"), JSON_OPTIONS)).collect()
    print("[" + ",\n ".join(row[0] for row in objects) + "]")


def _numbered(rows: DataFrame) -> DataFrame:
    """Name the columns by their places: their own names may be equal."""
    return rows.toDF(*[f"_{place}" for place in range(len(rows.columns))])


JSON_OPTIONS = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",  # the default cuts microseconds off
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}
WRITERS: dict[str, Callable[[DataFrame], None]] = {"table": write_table, "csv": write_csv, "json": write_json}
