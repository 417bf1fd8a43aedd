"""``ddl``, written for Athena, as what Spark and the tests need of it."""

from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

FOLDER = Path(__file__).parent.parent / "ddl"


@dataclass(frozen=True)
class Column:
    """One column; ``kind`` in Spark's SQL."""

    name: str
    kind: str
    comment: str


@dataclass(frozen=True)
class Table:
    """One ``CREATE TABLE``; columns in Athena's order, partitions last."""

    name: str
    columns: tuple[Column, ...]
    partitions: tuple[str, ...]
    location: str
    properties: dict[str, str]

    @property
    def is_iceberg(self) -> bool:
        """Whether the table is Iceberg; otherwise it is plain Parquet."""
        return self.properties.get("table_type") == "ICEBERG"

    @property
    def schema(self) -> str:
        """The columns as Spark's DDL."""
        return ", ".join(f"{column.name} {column.kind}" for column in self.columns)


def tables(lake: str) -> list[Table]:
    """Read all of ``ddl/tables`` for a lake."""
    return [read(text) for text in texts(lake)]


def texts(lake: str) -> list[str]:
    """Return the text of each of ``ddl/tables`` for a lake."""
    return [path.read_text().replace("${lake}", lake) for path in sorted(FOLDER.glob("tables/*.sql"))]


def spark_create(table: Table) -> str:
    """Write Spark's ``CREATE TABLE`` of an Iceberg table."""
    columns = ", ".join(
        f"{column.name} {column.kind.replace('timestamp', 'timestamp_ntz')} comment {exp.Literal.string(column.comment).sql('spark')}"
        for column in table.columns
    )
    return (
        f"create table if not exists {table.name} ({columns}) using iceberg"
        f" partitioned by ({', '.join(table.partitions)}) location '{table.location}'"
    )


def views() -> dict[str, str]:
    """Read all of ``ddl/views``: name -> query in Spark's SQL."""
    parsed = [sqlglot.parse_one(path.read_text(), read="athena") for path in sorted(FOLDER.glob("views/*.sql"))]
    return {create.this.name: create.expression.sql("spark") for create in parsed}


def read(sql: str) -> Table:
    """Read a ``CREATE TABLE``."""
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
    """Read the definition of a column."""
    comment = definition.find(exp.CommentColumnConstraint)
    return Column(definition.name, definition.args["kind"].sql("spark").lower(), comment.this.name if comment else "")
