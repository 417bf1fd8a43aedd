"""The tables ``session_events`` and ``sessions``: what has changed, and the sessions that are recomputed from it.

A run writes both and publishes ``sessions`` first. The run id in the latest ``session_events`` snapshot is
authoritative: if a run dies after publishing ``sessions`` only, the next run rolls ``sessions`` back. Where that cannot
be done, or the history of a table has expired, it makes ``sessions`` anew of ``session_events``.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.storage import iceberg
from clickstream.storage.iceberg import Branch
from clickstream.storage.load import Load
from clickstream.transforms import sessions
from clickstream.transforms.sessions import SessionWindow

EVENT = ("user_id", "event_uuid", "event_time")  # the key of ``session_events``
CHANGE_COUNTS = {"written": "sum(inserted)", "duplicate": "sum(unchanged)", "deleted": "sum(deleted)"}
INITIAL_COUNTS = {"written": "count(1)"}
RECOMPUTED_COUNTS = {"session_events": "count(1)", "sessions": "count_if(new_session = 1)"}
REBUILT_COUNTS = {"rebuilt_sessions": "count(1)"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Input:
    """What a run reads (``activity``), and what the tables held of it."""

    valid: DataFrame  # ``schemas.ACTIVITY``; with is_insert where it is a list of changes
    stored: DataFrame | None  # to compare with; None where nothing was stored, or where the input is a list of changes
    is_initial_load: bool  # the tables hold nothing that stays
    is_full_snapshot: bool  # what it lacks is deleted, and no event is in it twice
    progress: Mapping[str, str]  # up to where the input has been read: snapshot properties


@dataclass(frozen=True)
class RecomputePoints:
    """From where on the sessions of the users with changes are recomputed."""

    users: DataFrame  # of ``sessions.recompute_points``
    first_day: date  # no session that began earlier is among them


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
        if self.stored().isEmpty():
            return None
        latest = iceberg.latest_commit(self.spark, self.session_events)
        if latest is None:
            raise self._error("was not filled by sessions_batch")
        for name, value in self._kind().items():
            if latest.properties[name] != value:
                raise self._error(f"holds sessions with {name} {latest.properties[name]}, not {value}")
        run = {"run": latest.properties["run"]}
        of_sessions = iceberg.latest_commit(self.spark, self.sessions)
        if of_sessions and of_sessions.properties["run"] == run["run"] and of_sessions.is_current and latest.is_current:
            return latest
        if not (latest.is_current and iceberg.rollback_to(self.spark, self.sessions, run)):
            self._rebuild_sessions(load, latest)
        return latest

    def stored(self, start: date | None = None, end: date | None = None) -> DataFrame:
        """Read the ``session_events`` that happened on these dates."""
        stored = iceberg.read(self.spark, self.session_events, schemas.SESSION_EVENTS)
        day = F.to_date("event_time")
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
        if given.is_initial_load and given.is_full_snapshot:  # nothing to compare with
            self._recompute(load, load.counted(given.valid, INITIAL_COUNTS), of_sessions, of_events)
            return
        compared = changes(given.valid, given.stored, is_full_snapshot=given.is_full_snapshot)
        changed = load.staged(load.counted(compared, CHANGE_COUNTS).where("inserted + deleted > 0"))
        if changed.isEmpty():
            return
        if given.is_initial_load:
            self._recompute(load, changed, of_sessions, of_events)
            return
        stored = iceberg.read(self.spark, self.sessions, schemas.SESSIONS)
        users = load.staged(sessions.recompute_points(changed, stored, self.window.gap))
        (first,) = users.agg(F.to_date(F.min("recompute_from"))).collect()
        points = RecomputePoints(users, first[0])
        _delete(of_events, points, "event_time")
        _delete(of_sessions, points, "started_at")
        self._recompute(load, self._with_stored(changed, points), of_sessions, of_events)

    def _rebuild_sessions(self, load: Load, latest: iceberg.Commit) -> None:
        """Put the sessions of ``session_events`` in place of those stored, in the name of the latest run."""
        logger.warning("%s may be of another run than %s, and is made anew of it", self.sessions, self.session_events)
        with iceberg.open_branch(
            self.spark, self.sessions, schemas.SESSIONS, latest.properties, iceberg.MERGE_ON_READ
        ) as branch:
            branch.overwrite(load.counted(sessions.to_sessions(self.stored()), REBUILT_COUNTS), F.lit(True))
            branch.publish()

    def _with_stored(self, changed: DataFrame, points: RecomputePoints) -> DataFrame:
        """Return the events of which sessions are recomputed: the stored ones with the changes."""
        stored = self.stored().where(F.col("session_date") >= F.lit(points.first_day))
        rest = (
            stored
            .join(points.users, "user_id")
            .where("event_time >= recompute_from")
            .join(changed.where("deleted > 0").select(*EVENT), list(EVENT), "left_anti")
        )
        new = changed.where("inserted > 0").join(points.users, "user_id")
        columns = [*schemas.ACTIVITY.names, *sessions.CONTINUED]
        return rest.select(*columns).unionByName(new.select(*columns))

    def _recompute(self, load: Load, events: DataFrame, of_sessions: Branch, of_events: Branch) -> None:
        """Append the sessions of the events; without ``CONTINUED`` columns they replace all there are."""
        session_events = load.counted(sessions.to_session_events(events, self.window), RECOMPUTED_COUNTS)
        of_events.append(session_events)
        recomputed = sessions.to_sessions(of_events.appended())
        if sessions.CONTINUED[0] in events.columns:
            of_sessions.append(recomputed)
        else:
            of_sessions.overwrite(recomputed, F.lit(True))

    def _kind(self) -> dict[str, str]:
        """Say what all sessions of the tables have in common."""
        return {
            "source": self.source,
            "gap_seconds": f"{self.window.gap.total_seconds():.0f}",
            "max_session_hours": f"{self.window.max_length / timedelta(hours=1):.0f}",
        }

    def _error(self, what: str) -> errors.TableError:
        return errors.TableError(f"table {self.session_events} {what}; empty it, and a run over everything fills it")


def changes(events: DataFrame, stored: DataFrame | None, *, is_full_snapshot: bool) -> DataFrame:
    """Compare events of the input, or changes of it (is_insert), with those ``stored``: a row per event.

    Adds inserted, unchanged and deleted. A full snapshot has each event as often as it was inserted less as often as it
    was deleted. Any other input deletes nothing, and an event that is in it twice counts once.
    """
    columns = schemas.ACTIVITY.names
    if "is_insert" not in events.columns:
        events = events.withColumn("is_insert", F.lit(True))
    rows = events.select(*columns, "is_insert")
    if stored is not None:
        rows = rows.unionByName(stored.select(*columns).withColumn("is_insert", F.lit(False)))
    inserts = F.col("inserts") if is_full_snapshot else F.least("inserts", F.lit(1))
    deleted = F.greatest(F.col("deletes") - F.col("inserts"), F.lit(0)) if is_full_snapshot else F.lit(0)
    return (
        rows
        .groupBy(*columns)
        .agg(F.count_if("is_insert").alias("inserts"), F.count_if(~F.col("is_insert")).alias("deletes"))
        .withColumn("inserted", F.greatest(inserts - F.col("deletes"), F.lit(0)))
        .withColumn("unchanged", F.col("inserts") - F.col("inserted"))
        .withColumn("deleted", deleted)
        .drop("inserts", "deletes")
    )


def _delete(branch: Branch, points: RecomputePoints, time: str) -> None:
    """Delete the rows of each user from where it is recomputed."""
    of_user = f"stored.user_id = deleted.user_id and stored.{time} >= deleted.recompute_from"
    in_days = f"stored.session_date >= date '{points.first_day}'"
    branch.delete_where(f"{in_days} and {of_user}", points.users.select("user_id", "recompute_from"))
