"""Answer queries in Athena's SQL with Spark: nothing but the answer goes to standard output."""

import csv
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import sqlglot
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from local import lake as lakes


def answer(lake: Path, query: str, format_name: str) -> int:
    """Print the answer; return 0 only if there is one."""
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        translated = sqlglot.transpile(query, read="athena", write="spark")[0]
        WRITERS[format_name](lakes.session(lake).sql(translated))
    except (sqlglot.errors.SqlglotError, PySparkException) as error:
        print(f"sql: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def as_table(rows: DataFrame) -> list[list[str]]:
    """Collect the rows as text, the names first; null is empty."""
    texts = rows.toDF(*[f"_{index}" for index in range(len(rows.columns))])
    texts = texts.select([F.col(name).cast("string") for name in texts.columns])
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
    """Print one array of objects."""
    objects = rows.select(F.to_json(F.struct("*"), {"ignoreNullFields": "false"})).collect()
    print(json.dumps([json.loads(row[0]) for row in objects], indent=2))


WRITERS: dict[str, Callable[[DataFrame], None]] = {"table": write_table, "csv": write_csv, "json": write_json}
