"""``python -m local``: each call is a process of its own, as for its users."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import query
from simulator import Options, produce

ROOT = Path(__file__).parent.parent.parent
OPTIONS = Options(rows=5_000, days=2, malformed=0.02, duplicates=0.05, conflicts=0.01)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "local", *map(str, arguments)]


def local(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def run_until(appears: tuple[Path, str], *arguments: object) -> None:
    """Start a command, and kill it and its Java the moment a file appears."""
    folder, pattern = appears
    assert not any(folder.glob(pattern))
    with subprocess.Popen(
        command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as started:
        try:
            deadline = time.monotonic() + 240
            while not any(folder.glob(pattern)):
                assert started.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            os.killpg(started.pid, signal.SIGKILL)
        assert started.communicate()[0] == b""  # nothing was reported


def test_a_killed_run_is_completed_by_the_next_and_answers_are_nothing_but_the_answer(tmp_path):
    truth = produce("events", tmp_path / "raw", OPTIONS)
    lake, quarantine = tmp_path / "lake", tmp_path / "quarantine"
    given = ("--raw_path", tmp_path / "raw", "--events_table", "events", "--quarantine_path", quarantine)
    job = ("--lake", lake, "run", "events_batch", *given)

    run_until((lake / "events" / "data", "**/*.parquet"), *job)  # while it writes the first table
    run_until((quarantine, "_staged/**/source=events/**/*.parquet"), *job)  # while it writes the second
    assert not list(lake.glob("events/_runs/*"))

    completed = local(*job)
    assert completed.returncode == 0, completed.stderr
    (line,) = completed.stdout.splitlines()
    run = json.loads(line)
    assert run["job"] == "events_batch"
    assert run["counts"]["read"] == truth.lines
    assert run["counts"]["quarantined"] == truth.malformed
    (report,) = lake.glob("events/_runs/*.json")
    assert report.read_text() == line

    answer = local(
        "--lake", lake, "sql", "--format", "csv",
        "select count(*) as n, count(distinct (event_uuid, created_at)) as keys, (select count(*) from quarantine) as q"
        " from events where created_date >= date '2000-01-01'",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    rows = truth.distinct + truth.conflicts
    assert answer.stdout == f"n,keys,q\n{rows},{rows},{truth.malformed}\n"


def test_a_wrong_argument_is_one_sentence_and_a_status(tmp_path):
    wrong = local("--lake", tmp_path / "lake", "run", "events_batch", "--raw_path", "raw", "--mode", "append")
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    said = wrong.stderr.splitlines()[-1]
    assert said == (
        "events_batch: --events_table, --quarantine_path missing;"
        " this job needs --raw_path, --events_table, --quarantine_path"
    )
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("run", "nothing"), 2, "invalid choice: 'nothing'"),
        ((), 2, "the following arguments are required: command"),
        (("sql", "--format", "xml", "select 1"), 2, "invalid choice: 'xml'"),
        (("sql", "select from where"), 1, "sql: "),
    ],
)
def test_what_cannot_be_asked_starts_no_spark(arguments, status, sentence):
    asked = local(*arguments)
    assert asked.returncode == status
    assert asked.stdout == ""
    assert sentence in asked.stderr
    assert "Traceback" not in asked.stderr


def test_help_of_a_job_is_its_docstring():
    asked = local("run", "events_batch", "--help")
    assert asked.returncode == 0
    assert asked.stdout.startswith("Raw events -> the ``events`` table.")


@pytest.fixture
def answer(spark):
    return spark.sql("""
        select * from values
            (1, 'größe, "quoted"', array('a', null), timestamp '2024-03-17 10:15:30.5', cast(null as string)),
            (20, 'two', array(), timestamp '2024-03-17 00:00:00', '')
        as answer (n, text, list, at, nothing)
    """)


def test_as_a_table(answer, capsys):
    query.write_table(answer)
    assert capsys.readouterr().out == (
        'n   text             list       at                     nothing\n'
        '--  ---------------  ---------  ---------------------  -------\n'
        '1   größe, "quoted"  [a, null]  2024-03-17 10:15:30.5\n'
        '20  two              []         2024-03-17 00:00:00\n'
    )  # fmt: skip


def test_as_csv(answer, capsys):
    query.write_csv(answer)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [
        ["n", "text", "list", "at", "nothing"],
        ["1", 'größe, "quoted"', "[a, null]", "2024-03-17 10:15:30.5", ""],
        ["20", "two", "[]", "2024-03-17 00:00:00", ""],
    ]


def test_as_json(answer, capsys):
    query.write_json(answer)
    first, second = json.loads(capsys.readouterr().out)
    assert list(first) == ["n", "text", "list", "at", "nothing"]
    assert (first["n"], first["text"], first["list"], first["nothing"]) == (1, 'größe, "quoted"', ["a", None], None)
    assert (second["n"], second["list"], second["nothing"]) == (20, [], "")
    assert first["at"].startswith("2024-03-17T10:15:30.5")
