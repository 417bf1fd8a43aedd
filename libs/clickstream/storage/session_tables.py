"""The tables ``session_events`` and ``sessions``: what has changed, and the sessions that are recomputed from it.

A run writes both and publishes ``sessions`` first. The run id in the latest ``session_events`` snapshot is
authoritative: if a run dies after publishing ``sessions`` only, the next run rolls ``sessions`` back. Where that cannot
be done, or the history of a table has expired, it rebuilds ``sessions`` from ``session_events``.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.storage import iceberg
from clickstream.storage.iceberg import Branch
from clickstream.storage.load import Load
from clickstream.transforms import sessions
from clickstream.transforms.sessions import SessionWindow

EVENT = ("user_id", "event_uuid", "event_time")  # the key of ``session_events``
STORED = ("session_key", "session_number", "new_session", "split_cause")  # of an event, as the table has it
RECOMPUTED_COUNTS = {"session_events": "count(1)", "sessions": "count_if(new_session = 1)"}
REWRITTEN_COUNTS = {"rewritten": "count_if(stored is not null and differs)"}
REBUILT_COUNTS = {"rebuilt_sessions": "count(1)"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Input:
    """What a run has found in its input."""

    changes: DataFrame | None  # ``schemas.ACTIVITY`` to add to what is stored (is_insert), or to delete; None: nothing
    is_initial_load: bool  # the tables hold nothing that stays
    progress: Mapping[str, str]  # up to where the input has been read: snapshot properties


@dataclass(frozen=True)
class SessionTables:
    """Both tables, and which sessions they hold."""

    spark: SparkSession
    session_events: str
    sessions: str
    source: str
    window: SessionWindow

    def latest_run(self, load: Load) -> iceberg.Commit | None:
        """Return what the latest complete run has committed, None where there is nothing; take back what came after it.

        Raise ``TableError`` where the tables cannot be continued.
        """
        if iceberg.is_empty(self.spark, self.session_events):
            return None
        latest = iceberg.latest_commit(self.spark, self.session_events)
        if latest is None:
            raise self._error("was not filled by sessions_batch")
        for name, value in self._kind().items():
            if latest.properties[name] != value:
                raise self._error(f"holds sessions with {name} {latest.properties[name]}, not {value}")
        run = latest.properties["run"]
        sessions_commit = iceberg.latest_commit(self.spark, self.sessions)
        is_of_run = sessions_commit and sessions_commit.is_current and sessions_commit.properties["run"] == run
        if is_of_run and latest.is_current:
            return latest
        if not (latest.is_current and iceberg.rollback_to(self.spark, self.sessions, {"run": run})):
            self._rebuild_sessions(load, latest)
        return latest

    def stored(self, start: date | None = None, end: date | None = None) -> DataFrame:
        """Read the ``session_events`` that happened on these dates."""
        stored, day = self._stored_events(), F.to_date("event_time")
        if start:
            begun = start - self.window.max_length - timedelta(days=1)
            stored = stored.where((F.col("session_date") >= F.lit(begun)) & (day >= F.lit(start)))
        if end:
            stored = stored.where((F.col("session_date") <= F.lit(end)) & (day <= F.lit(end)))
        return stored

    @contextmanager
    def open_branches(self, progress: Mapping[str, str]) -> Iterator[tuple[Branch, Branch]]:
        """Open a branch of ``sessions`` and one of ``session_events``, in the order in which they are published."""
        properties = {"run": uuid4().hex, **self._kind(), **progress}
        merge = iceberg.MERGE_ON_READ
        with (
            iceberg.open_branch(self.spark, self.sessions, schemas.SESSIONS, properties, merge) as of_sessions,
            iceberg.open_branch(
                self.spark, self.session_events, schemas.SESSION_EVENTS, properties, merge
            ) as of_events,
        ):
            yield of_sessions, of_events

    def write(self, load: Load, given: Input, of_sessions: Branch, of_events: Branch) -> None:
        """Write the sessions that the input changes, if any, to the branches."""
        if given.changes is None:
            return
        if given.is_initial_load:
            self._write_all(load, given.changes, of_sessions, of_events)
            return
        earliest = Observation()
        of_users = given.changes.transform(sessions.recompute_points, self._stored_sessions(), self.window.gap)
        since = F.min(F.unix_micros("recompute_from")).alias("since")
        users = load.staged(of_users.observe(earliest, since))
        if earliest.get["since"] is None:
            return
        first_day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=earliest.get["since"])).date()
        recomputed = load.staged(self._recomputed(load, given.changes, users, first_day))
        in_days = f"stored.session_date >= date '{first_day}' and stored.user_id = deleted.user_id"
        gone = given.changes.where("not is_insert").select(*EVENT)
        if load.count("deleted") + load.count("rewritten"):
            rewritten = recomputed.where("stored is not null and differs").select(*EVENT)
            of_event = "stored.event_uuid = deleted.event_uuid and stored.event_time = deleted.event_time"
            of_events.delete_where(f"{in_days} and {of_event}", gone.unionByName(rewritten))
        of_events.append(recomputed.where("differs"))
        of_sessions.delete_where(
            f"{in_days} and stored.started_at >= deleted.recompute_from", users.select("user_id", "recompute_from")
        )
        of_sessions.append(sessions.to_sessions(recomputed))

    def _rebuild_sessions(self, load: Load, latest: iceberg.Commit) -> None:
        """Put the sessions of ``session_events`` in place of those stored, in the name of the latest run."""
        logger.warning(
            "%s does not match the latest run in %s; rebuilding it from there", self.sessions, self.session_events
        )
        with iceberg.open_branch(
            self.spark, self.sessions, schemas.SESSIONS, latest.properties, iceberg.MERGE_ON_READ
        ) as branch:
            branch.overwrite(load.counted(sessions.to_sessions(self._stored_events()), REBUILT_COUNTS), F.lit(True))
            branch.publish()

    def _write_all(self, load: Load, events: DataFrame, of_sessions: Branch, of_events: Branch) -> None:
        session_events = load.counted(sessions.to_session_events(events, self.window), RECOMPUTED_COUNTS)
        of_events.append(session_events)
        of_sessions.overwrite(sessions.to_sessions(of_events.appended()), F.lit(True))

    def _recomputed(self, load: Load, changes: DataFrame, users: DataFrame, first_day: date) -> DataFrame:
        """Return the ``schemas.SESSION_EVENTS`` of the users from where they are recomputed.

        With what is ``stored`` of a row, if it is, and whether it differs from that.
        """
        as_stored = F.struct(*STORED)
        stored = (
            self
            ._stored_events()
            .where(F.col("session_date") >= F.lit(first_day))
            .select(*schemas.ACTIVITY.names, as_stored.alias("stored"))
        )
        if load.count("deleted"):
            stored = stored.join(changes.where("not is_insert").select(*EVENT), list(EVENT), "left_anti")
        new = changes.where("is_insert").select(*schemas.ACTIVITY.names)
        rows = stored.unionByName(new, allowMissingColumns=True).join(users, "user_id")
        return (
            load
            .counted(
                rows.where("event_time >= recompute_from").transform(sessions.with_sessions, self.window),
                RECOMPUTED_COUNTS,
            )
            .withColumn("differs", ~F.col("stored").eqNullSafe(as_stored))
            .select(*schemas.SESSION_EVENTS.names, "stored", "differs")
            .transform(load.counted, REWRITTEN_COUNTS)
        )

    def _stored_events(self) -> DataFrame:
        return iceberg.read(self.spark, self.session_events, schemas.SESSION_EVENTS)

    def _stored_sessions(self) -> DataFrame:
        return iceberg.read(self.spark, self.sessions, schemas.SESSIONS)

    def _kind(self) -> dict[str, str]:
        """Say what all sessions of the tables have in common."""
        return {
            "source": self.source,
            "gap_seconds": f"{self.window.gap.total_seconds():.0f}",
            "max_session_hours": f"{self.window.max_length / timedelta(hours=1):.0f}",
        }

    def _error(self, what: str) -> errors.TableError:
        return errors.TableError(
            f"table {self.session_events} {what}; delete its rows, then run sessions_batch over all input"
        )
