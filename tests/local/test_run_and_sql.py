"""``python -m local``: each call is a process of its own, as for its users."""

import dataclasses
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pyspark
import pytest
from terminal import read_terminal

import events_batch
import events_stream
from clickstream.runtime.glue import resolve_options
from local import jars, job
from local.lake import SHARED_CLASSES
from local.progress import ERASE
from simulator import Options, produce

pytestmark = [pytest.mark.process, pytest.mark.single]

ROOT = Path(__file__).parent.parent.parent
OPTIONS = Options(rows=5_000, days=2, malformed=0.02, duplicates=0.05, conflicts=0.01)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "local", *map(str, arguments)]


def local(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def on_a_terminal(*arguments: object) -> str:
    """Run a command on a terminal of its own; return what it shows."""
    ours, its = pty.openpty()
    env = {
        name: value for name, value in os.environ.items() if name != "JAVA_TOOL_OPTIONS"
    }  # <- Java says that it has any
    with subprocess.Popen(command(*arguments), cwd=ROOT, env=env, stdin=its, stdout=its, stderr=its) as started:
        os.close(its)
        shown = b"".join(iter(lambda: read_terminal(ours), b""))
    os.close(ours)
    assert started.returncode == 0, shown.decode()
    return shown.decode()


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


def test_a_terminal_gets_a_line_of_progress_and_words(tmp_path):
    produce("events", tmp_path / "raw", OPTIONS)
    tables = ("--events_table", "events", "--quarantine_table", "quarantine")
    shown = on_a_terminal("--lake", tmp_path / "lake", "run", "events_batch", "--raw_path", tmp_path / "raw", *tables)
    progress = r"events_batch: \d+ s, (planning|\d+ of \d+ tasks)"
    said = re.split(r"[\r\n]+", shown.replace(ERASE, "\r"))
    assert any(re.fullmatch(progress, line) for line in said)
    others = [line for line in said if line and not re.fullmatch(progress, line)]
    assert others[0] == "events_batch: starting Spark"
    assert re.fullmatch(
        r"events_batch: read [\d,]+ = written .* \+ duplicate .* \+ quarantined .* \(.*, \d+ more\).*", others[1]
    )
    assert others[2:] == [f"events_batch: reported in {tmp_path}/lake/run_reports/events_batch"]


@pytest.mark.slow
def test_a_killed_run_is_completed_by_the_next_and_answers_are_nothing_but_the_answer(tmp_path):
    expected = produce("events", tmp_path / "raw", OPTIONS)
    lake = tmp_path / "größe, a lake (1+1=2) @~-"
    given = ("--raw_path", tmp_path / "raw", "--events_table", "events", "--quarantine_table", "quarantine")
    job = ("--lake", lake, "run", "events_batch", *given)

    run_until((lake / "quarantine" / "data", "**/*.parquet"), *job)  # between the two tables
    assert not list(lake.glob("run_reports/**/*.json"))

    completed = local(*job, "--JOB_NAME", "nightly")  # as in Glue's Docker image
    assert completed.returncode == 0, completed.stderr
    (line,) = completed.stdout.splitlines()
    run = json.loads(line)
    assert run["job"] == "events_batch"
    assert run["counts"]["read"] == expected.lines
    assert run["counts"]["quarantined"] == expected.malformed
    (report,) = lake.glob("run_reports/events_batch/*.json")
    assert report.read_text() == line

    answer = local(
        "--lake", lake, "sql", "--format", "json",
        "select count(*) as n, count(distinct row(event_uuid, created_at)) as keys,"
        " (select count(*) from quarantine) as q,"
        " cast('123456789012345678.000000000000000001' as decimal(38, 18)) as price,"
        " timestamp '2024-03-17 10:15:30.123456' as at, 9007199254740993 as big, to_utf8('abc') as bytes, x'' as none"
        " from events where created_date >= date '2000-01-01';",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    rows = expected.distinct + expected.conflicts
    assert json.loads(answer.stdout, parse_float=Decimal) == [{
        "n": rows,
        "keys": rows,
        "q": expected.malformed,
        "price": Decimal("123456789012345678.000000000000000001"),
        "at": "2024-03-17 10:15:30.123456",
        "big": 9007199254740993,
        "bytes": "61 62 63",
        "none": "",
    }]  # fmt: skip


def test_a_wrong_argument_is_one_sentence_and_a_status(tmp_path):
    wrong = local("--lake", tmp_path / "lake", "run", "events_batch", "--raw_path", "raw", "--mode", "append")
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert wrong.stderr == (
        "events_batch: --events_table, --quarantine_table missing;"
        " this job needs --raw_path, --events_table, --quarantine_table\n"
    )
    assert not (tmp_path / "lake").exists()  # Spark was not started


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("run", "events_batch", "--raw_path", "r", "--start-date", "2024-03-17"), "in parse_arguments"),
        (("sql", "select 1; select 2"), "in parse"),
    ],
)
def test_verbose_says_where_in_the_code_it_failed(arguments, place):
    plain, verbose = local(*arguments), local("--verbose", *arguments)
    assert (verbose.returncode, verbose.stdout) == (plain.returncode, plain.stdout) == (1, "")
    (sentence,) = plain.stderr.splitlines()
    *details, last = verbose.stderr.splitlines()
    assert last == sentence
    assert "Traceback (most recent call last):" in details
    assert any(line.endswith(place) for line in details)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("run", "nothing"), 2, "invalid choice: 'nothing'"),
        ((), 2, "the following arguments are required: command"),
        (("sql", "--format", "xml", "select 1"), 2, "invalid choice: 'xml'"),
        (("sql", "drop table events"), 1, "sql: DROP is not run here; python -m local sql only reads"),
        (("sql", "select 1; select 2"), 1, "sql: one statement is answered at a time, not 2"),
        (("sql", "-- nothing"), 1, "sql: one statement is answered at a time, not 0"),
        (("--lake", "o'brien", "sql", "select 1"), 2, "o'brien holds '; use letters"),
        (("--lake", "data?", "run", "events_batch"), 2, "data? holds ?; use letters"),
        (("--lake", "README.md", "sql", "select 1"), 2, "README.md is not a folder"),
        (
            ("--lake", "s3://lake/events", "sql", "select 1"),
            2,
            "s3://lake/events is not s3:// and the name of a bucket",
        ),
        (("--lake", "s3://lake", "sql", "select 1"), 1, "sql: s3://lake is looked for in the local AWS: run python -m"),
    ],
)
def test_what_cannot_be_asked_starts_nothing(arguments, status, sentence):
    asked = local(*arguments)
    assert asked.returncode == status
    assert asked.stdout == ""
    assert sentence in asked.stderr
    assert "Traceback" not in asked.stderr


def test_a_mistyped_lake_is_not_made(tmp_path):
    asked = local("--lake", tmp_path / "lkae", "sql", "select 1")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr == f"sql: no lake at {tmp_path}/lkae; run a job first or give --lake DIR\n"
    assert not list(tmp_path.iterdir())


def test_a_lake_that_was_moved_is_rejected(tmp_path):
    (tmp_path / "catalog.db").touch()
    (tmp_path / "paths.json").write_text('{"lake": "/elsewhere"}')
    job = ("run", "events_batch", "--raw_path", "r", "--events_table", "events", "--quarantine_table", "q")
    for command_line in (("sql", "select 1"), job):
        done = local("--lake", tmp_path, *command_line)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith(
            f"the lake {tmp_path} was made as /elsewhere, where its tables look for their files; move it back"
        )


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_a_job_is_its_docstring_and_its_arguments(option):
    asked = local("run", "events_batch", option)
    assert asked.returncode == 0
    assert asked.stderr == ""
    assert asked.stdout.startswith("usage: python -m local run events_batch --raw_path TEXT ")
    assert "\nRaw events -> the events table.\n\nReads   --raw_path" in asked.stdout
    explained = asked.stdout.partition("\nrequired arguments:\n")[2]
    assert re.findall(r"^  --(\w+) ", explained, re.MULTILINE) == [
        field.name for field in dataclasses.fields(events_batch.Arguments)
    ]


@pytest.mark.skipif(not SHARED_CLASSES.exists(), reason="this Java has no archive of its own that one could add to")
def test_java_takes_its_classes_from_the_archive_of_the_setup(tmp_path):
    loaded = tmp_path / "classes"
    env = os.environ | {"SPARK_SUBMIT_OPTS": f"-Xlog:class+load:file={loaded}"}
    run = command("--lake", tmp_path / "lake", "run", "events_batch", "--raw_path", "examples")
    tables = ("--events_table", "events", "--quarantine_table", "quarantine")
    subprocess.run([*run, *tables], cwd=ROOT, env=env, capture_output=True, timeout=240, check=True)
    for name in ("org.apache.spark.SparkContext", "org.apache.iceberg.BaseTable"):
        assert f"{name} source: shared objects file (top)\n" in loaded.read_text()


def test_where_a_job_puts_what_it_is_not_told_to_put_elsewhere():
    lake = Path("/lake")
    given = ["--raw_path", "raw"]
    kept = ["--run_reports_path", "/lake/run_reports"]
    assert job.with_defaults(lake, events_batch.Arguments, given) == ["--TempDir", "/lake/tmp", *given, *kept]
    assert job.with_defaults(lake, events_stream.Arguments, given) == ["--TempDir", "/lake/tmp", *given]
    for elsewhere in (["--run_reports_path", "r"], ["--run_reports_path=r"]):
        assert job.with_defaults(lake, events_batch.Arguments, elsewhere) == ["--TempDir", "/lake/tmp", *elsewhere]
    theirs = job.with_defaults(lake, events_batch.Arguments, ["--TempDir", "/elsewhere"])
    assert resolve_options(["job.py", "--JOB_NAME", "job", *theirs])["TempDir"] == "/elsewhere"


def test_help_explains_the_options_of_sql():
    asked = local("sql", "--help")
    assert asked.returncode == 0
    explained = " ".join(asked.stdout.split())
    assert "query one statement, quoted: " in explained
    assert "--format {table,csv,json} table, unless said: " in explained


def test_no_help_holds_markup():
    for command in ((), ("run",), ("sql",), ("athena",), ("aws",)):
        assert "`" not in local(*command, "--help").stdout


def test_an_unsupported_spark_is_one_message(monkeypatch):
    monkeypatch.setattr(pyspark, "__version__", "4.0.1")
    with pytest.raises(SystemExit, match=r"^setup: Spark 4\.0\.1 is not supported \(supported: 4\.1, 3\.5\); "):
        jars.fetch_for_spark()
