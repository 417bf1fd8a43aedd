"""One test's own lake: raw files that it sends, tables that nobody else has, and the jobs run on them."""

import dataclasses
import json
import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import clickstream_batch
import events_batch
import maintain
import page_counts_batch
import replay
import sessions_batch
from clickstream import schemas
from clickstream.storage import hive_table
from deploy import ddl

ARRIVED = datetime(2024, 3, 20, 12, tzinfo=UTC)  # of a file outside arrived=YYYY-MM-DD/HH/

Row = dict[str, Any]


class Trial:
    """Runs the jobs with every path and table filled in."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark = spark
        self.folder = folder
        self.raw = folder / "raw"
        self.raw.mkdir()
        self.clickstream_path = str(folder / "clickstream")
        self.events_path = folder / "events"
        self.events_table = self.table("events")
        self.quarantine_table = self.table("quarantine")
        self.run_reports_path = folder / "run_reports"
        self._has_sent = False  # since events_batch ran last

    def table(self, name: str) -> str:
        """Make an Iceberg table of ``ddl/tables`` that nobody else has; return its name."""
        (table,) = [table for table in ddl.tables(str(self.folder)) if table.name == name]
        own = dataclasses.replace(table, name=f"clickstream.{name}_{uuid4().hex}", location=str(self.folder / name))
        self.spark.sql(ddl.spark_create(own))
        return own.name

    @cached_property
    def session_events_table(self) -> str:
        """Make the table where it is first asked for."""
        return self.table("session_events")

    @cached_property
    def page_counts_table(self) -> str:
        """Make the table where it is first asked for."""
        return self.table("page_counts")

    @cached_property
    def sessions_table(self) -> str:
        """Make the table where it is first asked for."""
        return self.table("sessions")

    def send(self, lines: Iterable[str | bytes], file: str = "input.jsonl") -> Path:
        """Write a raw file, each line ended."""
        content = b"".join(line.encode() + b"\n" if isinstance(line, str) else line + b"\n" for line in lines)
        return self.send_bytes(content, file)

    def send_bytes(self, content: bytes, file: str = "input.jsonl") -> Path:
        """Write a raw file as it is; outside an arrival folder it arrived when it was modified."""
        self._has_sent = True
        path = self.raw / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (ARRIVED.timestamp(), ARRIVED.timestamp()))
        return path

    def events_batch(self, **arguments: Any) -> Row:
        """Run the job and return its counts."""
        self._has_sent = False
        return self._run(events_batch, {"raw_path": str(self.raw), "events_table": self.events_table} | arguments)

    def clickstream_batch(self, **arguments: Any) -> Row:
        """Run the job and return its counts."""
        paths = {"raw_path": str(self.raw), "clickstream_path": self.clickstream_path}
        return self._run(clickstream_batch, paths | arguments)

    def page_counts_batch(self, **arguments: Any) -> Row:
        """Run the job and return its counts."""
        paths = {"raw_path": str(self.raw), "page_counts_table": self.page_counts_table}
        return self._run(page_counts_batch, paths | arguments)

    def sessions_batch(self, **arguments: Any) -> Row:
        """Run the job and return its counts; for events, let events_batch find what was sent since it ran last."""
        tables = {"sessions_table": self.sessions_table, "session_events_table": self.session_events_table}
        if "raw_path" not in arguments:
            tables["events_table"] = self.events_table
            if self._has_sent:
                self.events_batch()
        return self._run(sessions_batch, tables | arguments)

    def rewrite(self, table: str) -> None:
        """Compact a table, whatever its files are like; no row changes."""
        self._call("rewrite_data_files", table, "options => map('rewrite-all', 'true')")

    def expire(self, table: str) -> None:
        """Expire all snapshots of a table that may be: of each branch all but the current one."""
        self._call("expire_snapshots", table, "older_than => timestamp '2100-01-01', retain_last => 1")

    def _call(self, procedure: str, table: str, arguments: str) -> None:
        self.spark.sql(f"refresh table {table}")  # a stream has sessions of its own, which write
        self.spark.sql(f"call lake.system.{procedure}(table => '{table}', {arguments})").collect()

    def replay(self, source: str, **arguments: Any) -> Row:
        """Run the job for the tables of this lake and return its counts."""
        targets = {
            "events": {"events_table": self.events_table},
            "clickstream": {"clickstream_path": self.clickstream_path},
        }
        return self._run(replay, {"source": source} | targets.get(source, {}) | arguments)

    def maintain(self, *tables: str, **arguments: Any) -> Row:
        """Run the job for tables of this lake, by name, and return its counts."""
        given = {f"{name}_table": getattr(self, f"{name}_table") for name in tables}
        return self._run(maintain, {"quarantine_table": None} | given | arguments)

    def _run(self, job: Any, arguments: Row) -> Row:
        reports = self.run_reports_path / uuid4().hex
        given = {"quarantine_table": self.quarantine_table, "run_reports_path": str(reports)}
        job.main(self.spark, job.Arguments(**given | arguments))
        (report,) = reports.glob(f"{job.__name__}/*.json")
        return json.loads(report.read_text())["counts"]

    def runs(self) -> set[str]:
        """Read what the jobs have reported."""
        return {path.read_text() for path in self.run_reports_path.rglob("*.json")}

    def events(self) -> list[Row]:
        """Read the table as text and numbers, in a total order."""
        return self._rows_of(self.events_table)

    def session_events(self) -> list[Row]:
        """Read the table as text and numbers, in a total order."""
        return self._rows_of(self.session_events_table)

    def sessions(self) -> list[Row]:
        """Read the table as text and numbers, in a total order."""
        return self._rows_of(self.sessions_table)

    def page_counts(self) -> list[Row]:
        """Read the table as text and numbers, in a total order: sketches in hexadecimal."""
        self.spark.sql(f"refresh table {self.page_counts_table}")  # a stream has sessions of its own, which write
        return plain(self.spark.table(self.page_counts_table).withColumn("users_sketch", F.hex("users_sketch")))

    def clickstream(self) -> list[Row]:
        """Read the table as text and numbers, in a total order."""
        return plain(hive_table.read(self.spark, self.clickstream_path, schemas.CLICKSTREAM.columns))

    def quarantine(self) -> list[Row]:
        """Read the table as text and numbers, in a total order."""
        return self._rows_of(self.quarantine_table)

    def columns_with_a_zone(self) -> list[str]:
        """Name every column of an Iceberg table here that Athena's DDL could not have made."""
        schemas = [
            schema
            for metadata in self.folder.glob("*/metadata/*.metadata.json")
            for schema in json.loads(metadata.read_text())["schemas"]
        ]
        return [field["name"] for schema in schemas for field in schema["fields"] if field["type"] == "timestamptz"]

    def _rows_of(self, table: str) -> list[Row]:
        self.spark.sql(f"refresh table {table}")  # a stream has sessions of its own, which write
        return plain(self.spark.table(table))


def plain(rows: DataFrame) -> list[Row]:
    """Collect rows as JSON has them: times as ISO 8601 with Z."""
    values = [{name: plain_value(value) for name, value in row.asDict().items()} for row in rows.collect()]
    return sorted(values, key=as_text)


def plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return value.isoformat() if isinstance(value, date) else value


def as_text(row: Row) -> str:
    """Order rows by all that they hold."""
    return json.dumps(row, sort_keys=True)


def event(uuid: str, name: str = "payment:order", at: Any = 1_710_670_530_000, **fields: Any) -> str:
    """Write an event; 1710670530000 is 2024-03-17T10:15:30Z, a Sunday."""
    return json.dumps({"event_uuid": uuid, "event_name": name, "created_at": at} | fields, ensure_ascii=False)


def visit(user: str, at: Any = "2024-03-17T10:15:30Z", **fields: Any) -> str:
    """Write a visit."""
    return json.dumps({"user_id": user, "event_time": at} | fields, ensure_ascii=False)
