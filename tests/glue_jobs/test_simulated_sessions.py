"""The sessions of 30,000 simulated events, made in three runs as they arrive, and found by DuckDB in one go."""

import duckdb
import pytest

from clickstream import schemas
from simulator import Options, produce
from tools.bench.baselines import sessions_duckdb

A_BOT_FOR_DAYS = Options(rows=30_000, days=3, users=500, event_types=10, bots=0.4, conflicts=0.02, late=0.05)
TIMES = {"event_time", "started_at", "ended_at"}


def columns(schema):
    return ", ".join(f"epoch_us({name}) as {name}" if name in TIMES else name for name in schema.names)


@pytest.mark.single
def test_duckdb_finds_the_same_sessions(spark, trial):
    produce("events", trial.folder / "archive", A_BOT_FOR_DAYS)
    for arrived in ("arrived=2024-03-01/[01]*", "arrived=2024-03-0[12]", "*"):
        trial.events_batch(raw_path=f"{trial.folder}/archive/{arrived}")
        counts = trial.sessions_batch()
    assert 0 < counts["session_events"] < len(trial.session_events())  # <- not all were recomputed
    assert {row["split_cause"] for row in trial.sessions()} == {None, "max_length"}

    files = [row.file_path for row in spark.sql(f"select file_path from {trial.events_table}.files").collect()]
    with duckdb.connect() as duck:
        duck.execute("set variable files = ?", [[file.removeprefix("file:") for file in files]])
        duck.execute(sessions_duckdb.NUMBERED)
        for name, table, expected in (
            ("session_events", trial.session_events_table, "from numbered"),
            ("sessions", trial.sessions_table, sessions_duckdb.SUMMED_UP),
        ):
            out = f"{trial.folder}/read/{name}"
            spark.table(table).write.parquet(out)
            found = columns(schemas.SESSION_EVENTS if name == "session_events" else schemas.SESSIONS)
            duck.execute(f"create table actual_{name} as select {found} from read_parquet('{out}/*.parquet')")
            duck.execute(f"create table expected_{name} as select {found} from ({expected})")
            assert duck.sql(f"select count(*) from expected_{name}").fetchall()[0][0] > 0
            for one, other in (("expected", "actual"), ("actual", "expected")):
                assert duck.sql(f"(from {one}_{name} except all from {other}_{name}) limit 3").fetchall() == []
