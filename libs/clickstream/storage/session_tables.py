"""The tables ``session_events`` and ``sessions``: what has changed, and the sessions that are made of it anew.

A run writes both and publishes ``sessions`` first. What is noted in the newest commit to ``session_events`` tells what
both hold, so what a run that was killed in between has published is taken back by the next one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime.counts import SessionCounts, SessionTally
from clickstream.storage import hive_table, iceberg, layout, quarantine
from clickstream.storage.iceberg import Branch
from clickstream.transforms import activity, sessions

EVENT = ("user_id", "event_uuid", "event_time")  # the key of ``session_events``
BY_TIME = ("user_id", "event_time", "event_uuid")


@dataclass(frozen=True)
class Input:
    """What a run reads, as ``activity`` inspects it, and what the tables held of it."""

    inspected: DataFrame  # with is_input; the other rows were input once
    reasons: Sequence[str]
    stored: DataFrame | None  # to compare with; None where nothing was, or where inspected tells it
    is_first: bool  # the tables hold nothing, or nothing that stays
    is_whole: bool  # what it lacks is gone, and no event is in it twice
    noted: Mapping[str, str]  # up to where this is


@dataclass(frozen=True)
class Staged:
    """What a run has made, where no reader looks."""

    session_events: Branch
    sessions: Branch

    def publish(self) -> None:
        """Let readers see it."""
        self.sessions.publish()
        self.session_events.publish()


@dataclass(frozen=True)
class Resumed:
    """From where on the sessions of the users with changes are made again."""

    users: DataFrame  # of ``sessions.resumptions``
    first_day: date  # no session that began earlier is among them


@dataclass(frozen=True)
class SessionTables:
    """Both tables, and which sessions they hold."""

    spark: SparkSession
    session_events: str
    sessions: str
    source: str
    gap: timedelta
    longest: timedelta

    def newest_run(self) -> iceberg.Note | None:
        """Return what the newest complete run has noted, None where there is nothing; take back what came after it.

        Raise ``TableError`` where the tables cannot be gone on with.
        """
        if self.stored().isEmpty():
            return None
        note = iceberg.note(self.spark, self.session_events)
        if note is None:
            raise self._error("was not filled by sessions_batch")
        for name, value in self._kind().items():
            if note.commit[name] != value:
                raise self._error(f"holds sessions with {name} {note.commit[name]}, not {value}")
        run = {"run": note.commit["run"]}
        of_sessions = iceberg.note(self.spark, self.sessions)
        is_complete = of_sessions is not None and of_sessions.commit["run"] == run["run"]
        if not is_complete and not iceberg.return_to(self.spark, self.sessions, run):
            raise self._error(f"is of another run than {self.sessions}")
        return note

    def stored(self, start: date | None = None, end: date | None = None) -> DataFrame:
        """Return the ``session_events`` that happened on these dates."""
        stored = iceberg.read(self.spark, self.session_events, schemas.SESSION_EVENTS)
        day = F.to_date("event_time")
        if start:
            begun = start - self.longest - timedelta(days=1)
            stored = stored.where((F.col("session_date") >= F.lit(begun)) & (day >= F.lit(start)))
        if end:
            stored = stored.where((F.col("session_date") <= F.lit(end)) & (day <= F.lit(end)))
        return stored

    def land(self, given: Input, quarantine_table: str) -> SessionCounts:
        """Make the sessions that the input changes: staged, counted, and only then shown to readers."""
        tally = SessionTally(given.reasons)
        with self._made(given, tally, quarantine_table) as staged, ExitStack() as stack:
            run = tally.counts(has_made=staged is not None)
            run.check()
            refused = None
            if run.quarantined:  # else the input is not read again for them
                rows = quarantine.to_table(given.inspected.where("is_input"), activity.SOURCE)
                refused = stack.enter_context(quarantine.staged(rows, quarantine_table, activity.SOURCE))
            if staged and (run.written or run.removed):
                staged.publish()
            if refused:
                refused.publish()
        return run

    @contextmanager
    def _made(self, given: Input, tally: SessionTally, aside: str) -> Iterator[Staged | None]:
        """Stage the sessions that change, if any."""
        accepted = given.inspected.transform(tally.inspected).where(activity.IS_TAKEN)
        accepted = accepted.select(*schemas.ACTIVITY.names, "is_input")
        if given.is_first and given.is_whole:  # nothing to compare with
            counted = {"written": F.lit(1), "unchanged": F.lit(0), "removed": F.lit(0)}
            events = accepted.withColumns(counted).transform(tally.judged)
            with self._staged(events, tally, given.noted) as staged:
                yield staged
            return
        judged = changes(accepted, given.stored, is_whole=given.is_whole).transform(tally.judged)
        with hive_table.spooled(judged.where("written + removed > 0"), aside) as changed:
            if changed.isEmpty():
                yield None
            elif given.is_first:
                with self._staged(changed, tally, given.noted) as staged:
                    yield staged
            else:
                with hive_table.spooled(self._resumptions(changed), aside) as users:
                    (first,) = users.agg(F.to_date(F.min("since"))).collect()
                    resumed = Resumed(users, first[0])
                    events = self._to_make_again(changed, resumed)
                    with self._staged(events, tally, given.noted, resumed) as staged:
                        yield staged

    def _resumptions(self, changed: DataFrame) -> DataFrame:
        """Say from where on the sessions of the users with changes are made again."""
        stored = iceberg.read(self.spark, self.sessions, schemas.SESSIONS)
        return sessions.resumptions(changed, stored, self.gap)

    def _to_make_again(self, changed: DataFrame, resumed: Resumed) -> DataFrame:
        """Return the events of which sessions are made again: the stored ones with the changes."""
        stored = self.stored().where(F.col("session_date") >= F.lit(resumed.first_day))
        rest = (
            stored
            .join(resumed.users, "user_id")
            .where("event_time >= since")
            .join(changed.where("removed > 0").select(*EVENT), list(EVENT), "left_anti")
        )
        new = changed.where("written > 0").join(resumed.users, "user_id")
        columns = [*schemas.ACTIVITY.names, *sessions.RESUMED]
        return rest.select(*columns).unionByName(new.select(*columns))

    @contextmanager
    def _staged(
        self, events: DataFrame, tally: SessionTally, noted: Mapping[str, str], resumed: Resumed | None = None
    ) -> Iterator[Staged]:
        """Stage the sessions of the events in place of all there are, or of those that begin where users resume."""
        spark, commit = self.spark, {"run": uuid4().hex, **self._kind(), **noted}
        with (
            iceberg.branch(spark, self.session_events, schemas.SESSION_EVENTS, commit, iceberg.MERGE_ON_READ) as first,
            iceberg.branch(spark, self.sessions, schemas.SESSIONS, commit, iceberg.MERGE_ON_READ) as second,
        ):
            staged = Staged(first, second)
            if resumed is not None:
                _delete(staged.session_events, resumed, "event_time")
            made = sessions.to_session_events(events, self.gap, self.longest).transform(tally.made)
            staged.session_events.append(layout.sized_for_athena(made, schemas.SESSION_EVENTS_PARTITIONS, BY_TIME))
            of_them = sessions.to_sessions(staged.session_events.appended())
            sized = layout.sized_for_athena(of_them, schemas.SESSIONS_PARTITIONS, ["user_id", "session_number"])
            if resumed is not None:
                _delete(staged.sessions, resumed, "started_at")
                staged.sessions.append(sized)
            else:
                staged.sessions.overwrite(sized, F.lit(True))
            yield staged

    def _kind(self) -> dict[str, str]:
        """Say what all sessions of the tables have in common."""
        return {
            "source": self.source,
            "gap_seconds": f"{self.gap.total_seconds():.0f}",
            "max_session_hours": f"{self.longest / timedelta(hours=1):.0f}",
        }

    def _error(self, what: str) -> errors.TableError:
        return errors.TableError(f"table {self.session_events} {what}; empty it, and a run over everything fills it")


def changes(events: DataFrame, stored: DataFrame | None, *, is_whole: bool) -> DataFrame:
    """Compare events that come (is_input), went, or are stored: one row each, with written, unchanged and removed.

    A whole input has each event as often as it came less as often as it went. From any other nothing is gone, and
    what comes twice is one event.
    """
    if stored is not None:
        was_stored = stored.select(*schemas.ACTIVITY.names).withColumn("is_input", F.lit(False))
        events = events.unionByName(was_stored)
    came = F.col("came") if is_whole else F.least("came", F.lit(1))
    removed = F.greatest(F.col("went") - F.col("came"), F.lit(0)) if is_whole else F.lit(0)
    return (
        events
        .groupBy(*schemas.ACTIVITY.names)
        .agg(F.count_if("is_input").alias("came"), F.count_if(~F.col("is_input")).alias("went"))
        .withColumn("written", F.greatest(came - F.col("went"), F.lit(0)))
        .withColumn("unchanged", F.col("came") - F.col("written"))
        .withColumn("removed", removed)
        .drop("came", "went")
    )


def _delete(branch: Branch, resumed: Resumed, time: str) -> None:
    """Take out the rows of each user from where it resumes."""
    of_user = f"stored.user_id = deleted.user_id and stored.{time} >= deleted.since"
    in_days = f"stored.session_date >= date '{resumed.first_day}'"
    branch.delete_where(f"{in_days} and {of_user}", resumed.users.select("user_id", "since"))
