"""How far the job has come, read from its files: without Spark, so that it can be polled a hundred times a second."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

TABLE, QUARANTINE, CHECKPOINT, CATALOG = "events", "quarantine", "checkpoint", "catalog.db"
TABLE_ONLY = "in the table, not in the quarantine"
TABLES_ONLY = "in both tables, not in the checkpoint"
PLANNED_ONLY = "planned, in neither table"
AT_REST = "between batches"

BATCH, QUERY = "clickstream.batch", "clickstream.query"  # in the summary of a snapshot


@dataclass(frozen=True)
class Progress:
    """The progress of one query on one lake; every number only grows while the job runs."""

    lake: Path

    def planned(self) -> int:
        """Return the newest batch whose end Spark has logged."""
        return _newest(self.lake / CHECKPOINT / "offsets")

    def committed(self) -> int:
        """Return the newest batch that Spark has logged as done."""
        return _newest(self.lake / CHECKPOINT / "commits")

    def branches(self) -> int:
        """Count the branches of the table, also those that killed runs have left."""
        return len(self._metadata(TABLE).get("refs", ()))

    def published(self) -> int:
        """Return the query's newest batch that readers of the table see."""
        query_log = self.lake / CHECKPOINT / "metadata"
        query = json.loads(query_log.read_text())["id"] if query_log.exists() else None
        metadata = self._metadata(TABLE)
        snapshots = {snapshot["snapshot-id"]: snapshot for snapshot in metadata.get("snapshots", ())}
        newest = snapshots.get(metadata.get("refs", {}).get("main", {}).get("snapshot-id"))
        while newest:
            summary = newest["summary"]
            if summary.get(QUERY) == query and BATCH in summary:
                return int(summary[BATCH])
            newest = snapshots.get(newest.get("parent-snapshot-id"))
        return -1

    def quarantined(self) -> int:
        """Count the commits to the quarantine that readers see."""
        return len(self._metadata(QUARANTINE).get("snapshot-log", ()))

    def where(self) -> str:
        """Return where a killed job stood."""
        committed = self.committed()
        if self.published() > committed:
            return TABLES_ONLY if self._last_commit(QUARANTINE) >= self._last_commit(TABLE) else TABLE_ONLY
        return PLANNED_ONLY if self.planned() > committed else AT_REST

    def _last_commit(self, table: str) -> int:
        """Return the Unix ms of the last commit to a table that readers see."""
        return max((entry["timestamp-ms"] for entry in self._metadata(table).get("snapshot-log", ())), default=-1)

    def _metadata(self, table: str) -> dict[str, Any]:
        catalog = self.lake / CATALOG
        if not catalog.exists():
            return {}
        with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, timeout=30)) as connection:
            try:
                found = connection.execute(
                    "select metadata_location from iceberg_tables where table_name = ?", [table]
                ).fetchone()
            except sqlite3.OperationalError:  # the catalog is not initialized yet
                found = None
        if found is None:
            return {}
        (location,) = found
        metadata: dict[str, Any] = json.loads(Path(urlparse(location).path).read_text())
        return metadata


def _newest(log: Path) -> int:
    return max((int(entry.name) for entry in log.glob("[0-9]*")), default=-1)
