"""``ddl``, which is written for Athena, in the forms that Spark, the report and the tests need."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlglot
from sqlglot import exp

from clickstream.runtime.arguments import EARLIEST_DATE

FOLDER = Path(__file__).parent.parent / "ddl"
DAY = re.compile(r"DATE '\d{4}-\d\d-\d\d'")
TIMESTAMP = re.compile(r"\btimestamp\b")


@dataclass(frozen=True)
class Column:
    """A column; ``kind`` is the type as Athena and the Glue catalog have it."""

    name: str
    kind: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A ``CREATE TABLE``; columns in Athena's order, partitions last."""

    name: str
    columns: tuple[Column, ...]
    partitions: tuple[str, ...]
    location: str
    properties: dict[str, str]

    @property
    def is_iceberg(self) -> bool:
        """Whether it is Parquet under Iceberg; otherwise it is plain Parquet."""
        return self.properties.get("table_type") == "ICEBERG"

    @property
    def schema(self) -> str:
        """The columns as Spark's DDL."""
        return ", ".join(f"{column.name} {self.spark_type(column)}" for column in self.columns)

    def spark_type(self, column: Column) -> str:
        """Return the type in Spark: Athena's ``timestamp`` has no zone in an Iceberg table, Spark's has one."""
        return TIMESTAMP.sub("timestamp_ntz", column.kind) if self.is_iceberg else column.kind


def tables(lake: str) -> list[Table]:
    """Parse ``ddl/tables`` for a lake."""
    return [read(text) for text in texts(lake)]


def texts(lake: str, go_live: date = EARLIEST_DATE) -> list[str]:
    """Return the statements of ``ddl/tables`` for a lake whose projected partitions begin at a day."""
    return [text(path, lake, go_live) for path in sorted(FOLDER.glob("tables/*.sql"))]


def text(path: Path, lake: str, go_live: date = EARLIEST_DATE) -> str:
    """Return the statement of a file for a lake whose projected partitions begin at a day."""
    return path.read_text().replace("${lake}", lake).replace("${go_live}", f"{go_live}")


def with_days(query: str, first: str, last: str) -> str:
    """Put days in the place of the earliest and the latest that a query of ``ddl/queries`` names."""
    named = sorted(set(DAY.findall(query)))
    return DAY.sub(lambda day: f"DATE '{first if day[0] == named[0] else last}'", query)


def spark_create(table: Table) -> str:
    """Return Spark's ``CREATE TABLE`` of an Iceberg table."""
    columns = ", ".join(
        f"{column.name} {table.spark_type(column)} comment {exp.Literal.string(column.comment).sql('spark')}"
        for column in table.columns
    )
    return (
        f"create table if not exists {table.name} ({columns}) using iceberg"
        f" partitioned by ({', '.join(table.partitions)}) location '{table.location}'"
    )


def views() -> dict[str, str]:
    """Return the views of ``ddl/views``: name -> query, as it stands there."""
    texts = {path.stem: path.read_text() for path in sorted(FOLDER.glob("views/*.sql"))}
    return {name: text.partition(f"CREATE OR REPLACE VIEW {name} AS\n")[2].strip() for name, text in texts.items()}


def read(sql: str) -> Table:
    """Parse a ``CREATE TABLE``."""
    create = sqlglot.parse_one(sql, read="athena")
    properties = create.args["properties"]
    partitioned = properties.find(exp.PartitionedByProperty).this.expressions
    partition_columns = [part for part in partitioned if isinstance(part, exp.ColumnDef)]
    return Table(
        name=create.this.this.name,
        columns=tuple(column(part) for part in [*create.this.expressions, *partition_columns]),
        partitions=tuple(part.name for part in partitioned),
        location=properties.find(exp.LocationProperty).this.name,
        properties={
            prop.name: prop.args["value"].name for prop in properties.expressions if type(prop) is exp.Property
        },
    )


def column(definition: exp.ColumnDef) -> Column:
    """Return the column of a definition."""
    comment = definition.find(exp.CommentColumnConstraint)
    return Column(definition.name, definition.args["kind"].sql("spark").lower(), comment.this.name if comment else "")
