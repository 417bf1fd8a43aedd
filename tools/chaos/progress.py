"""How far the job has come, by what it leaves on disk: no Spark, so that it can be asked a hundred times a second."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

TABLE, QUARANTINE, CHECKPOINT, CATALOG = "events", "quarantine", "checkpoint", "catalog.db"
TABLE_ONLY = "in the table, not in the quarantine"
TABLES_ONLY = "in both, not in the checkpoint"
PLANNED_ONLY = "planned, in neither"
AT_REST = "between batches"

BATCH, QUERY = "clickstream.batch", "clickstream.query"  # in the summary of a snapshot


@dataclass(frozen=True)
class Progress:
    """Of one query over one lake; each number grows as the job goes on."""

    lake: Path

    def planned(self) -> int:
        """Give the newest batch that Spark has noted the end of."""
        return _newest(self.lake / CHECKPOINT / "offsets")

    def committed(self) -> int:
        """Give the newest batch that Spark has noted as done."""
        return _newest(self.lake / CHECKPOINT / "commits")

    def branches(self) -> int:
        """Count the branches of the table, those that killed runs have left among them."""
        return len(self._metadata().get("refs", ()))

    def published(self) -> int:
        """Give the query's newest batch that readers of the table see."""
        noted = self.lake / CHECKPOINT / "metadata"
        query = json.loads(noted.read_text())["id"] if noted.exists() else None
        metadata = self._metadata()
        snapshots = {snapshot["snapshot-id"]: snapshot for snapshot in metadata.get("snapshots", ())}
        newest = snapshots.get(metadata.get("refs", {}).get("main", {}).get("snapshot-id"))
        while newest:
            summary = newest["summary"]
            if summary.get(QUERY) == query and BATCH in summary:
                return int(summary[BATCH])
            newest = snapshots.get(newest.get("parent-snapshot-id"))
        return -1

    def quarantined(self) -> int:
        """Count the files of the quarantine."""
        return sum(1 for _ in (self.lake / QUARANTINE).glob("source=*/**/*.parquet"))

    def where(self, began: float) -> str:
        """Say where a job stood that was killed, and had begun at that Unix time."""
        committed = self.committed()
        if self.published() > committed:
            staged = (self.lake / QUARANTINE / "_staged").glob("*/source=*/**/*.parquet")
            return TABLE_ONLY if any(file.stat().st_mtime >= began for file in staged) else TABLES_ONLY
        return PLANNED_ONLY if self.planned() > committed else AT_REST

    def _metadata(self) -> dict[str, Any]:
        catalog = self.lake / CATALOG
        if not catalog.exists():
            return {}
        with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, timeout=30)) as asked:
            try:
                rows = asked.execute("select metadata_location from iceberg_tables where table_name = ?", [TABLE])
                found = rows.fetchone()
            except sqlite3.OperationalError:  # not made yet
                found = None
        if found is None:
            return {}
        (location,) = found
        metadata: dict[str, Any] = json.loads(Path(urlparse(location).path).read_text())
        return metadata


def _newest(log: Path) -> int:
    return max((int(entry.name) for entry in log.glob("[0-9]*")), default=-1)
