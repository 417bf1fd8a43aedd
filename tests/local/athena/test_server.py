"""One server of a lake: started by who asks first, ended when nobody asks, and started again however it has ended."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import jars
from local.athena import process, query, server

ROOT = Path(__file__).parents[3]


def command(lake, *arguments):
    return [sys.executable, "-m", "local", "--lake", str(lake), *arguments]


def asked(lake, sql):
    return subprocess.run(command(lake, "sql", sql), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def note(lake):
    return json.loads((lake / "athena" / server.NOTE).read_text())


def processes(lake):
    """Return the ids of the lake's processes: ours, and Java."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"local.athena.process" in words and str(lake).encode() in words:
            found.append(int(folder.name))
        if f"-Dconfig={lake}/athena/etc/config.properties".encode() in words:
            found.append(int(folder.name))
    return found


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def lake(spark, lake_of_run, tmp_path):
    """Give a lake of the same tables, with no server yet."""
    lake = tmp_path / "größe, a lake (1+1=2) @~-"
    lake.mkdir()
    assert spark.catalog.tableExists("events")  # <- the other lake has been made
    shutil.copy(lake_of_run / "catalog.db", lake)
    yield lake
    (lake / "athena" / server.NOTE).unlink(missing_ok=True)
    wait_until(lambda: not processes(lake))


pytestmark = [pytest.mark.process, pytest.mark.single]


@pytest.mark.slow
def test_one_server_answers_all_until_it_is_killed_and_then_another_one(lake):
    with (
        subprocess.Popen(command(lake, "sql", "select 1 as a"), cwd=ROOT, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command(lake, "sql", "select 2 as b"), cwd=ROOT, stdout=subprocess.PIPE, text=True) as second,
    ):
        assert (first.communicate()[0], second.communicate()[0]) == ("a\n-\n1\n", "b\n-\n2\n")
    ours = note(lake)["pid"]
    assert len(processes(lake)) == 2
    assert ours in processes(lake)
    assert asked(lake, "select count(*) as n from funnel").stdout == "n\n-\n0\n"
    assert note(lake)["pid"] == ours

    os.kill(ours, signal.SIGKILL)  # <- its note is left over
    answer = asked(lake, "select 3 as c")
    assert (answer.stdout, answer.returncode) == ("c\n-\n3\n", 0)
    assert "athena: starting Trino" in answer.stderr
    wait_until(lambda: len(processes(lake)) == 2)  # <- the other's Java has ended, too

    (java,) = set(processes(lake)) - {note(lake)["pid"]}
    os.kill(java, signal.SIGKILL)
    assert asked(lake, "select 4 as d").stdout == "d\n-\n4\n"
    wait_until(lambda: len(processes(lake)) == 2)

    shutil.rmtree(lake)  # <- with its note
    wait_until(lambda: not processes(lake))


@pytest.mark.slow
def test_it_ends_when_nobody_asks(lake, monkeypatch):
    monkeypatch.setattr(server, "IDLE_SECONDS", 3.0)
    assert query.ask(lake, "select 1").rows == [[1]]
    for _ in range(5):
        time.sleep(1)
        assert query.ask(lake, "select 1").rows == [[1]]  # <- who asks keeps it
    wait_until(lambda: not processes(lake), seconds=15)
    assert not (lake / "athena" / server.NOTE).exists()


@pytest.mark.slow
def test_the_foreground_ends_with_its_parent_and_takes_over(lake):
    assert query.ask(lake, "select 1").rows == [[1]]
    before = note(lake)["pid"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shell = subprocess.Popen(
        ["sh", "-c", f"{sys.executable} -m local --lake '{lake}' athena --port {port}; true"], cwd=ROOT
    )
    wait_until(lambda: (lake / "athena" / server.NOTE).exists() and note(lake)["pid"] != before, seconds=120)
    assert note(lake)["port"] == port
    assert asked(lake, "select 1 as a").stdout == "a\n-\n1\n"
    shell.kill()
    shell.wait()
    wait_until(lambda: not processes(lake))


def test_the_server_needs_a_lake(tmp_path):
    done = subprocess.run(command(tmp_path, "athena"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"athena: no lake at {tmp_path}; run a job first or give --lake DIR\n"
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_a_sentence(tmp_path):
    (tmp_path / "catalog.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(tmp_path, "athena", "--port", str(port)), cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"athena: port {port}: address already in use; choose another by --port\n"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (None, "Java 17 is needed, and there is no {java}: install it, or set JAVA_HOME"),
        ("echo ' openjdk version \"21.0.2\"' >&2", "Java 17 is needed, and {java} is version 21: install 17 beside it"),
        ("echo no", "Java 17 is needed, and {java} does not say its version"),
    ],
)
def test_without_java_17_it_says_so(tmp_path, monkeypatch, script, sentence):
    java = tmp_path / "bin" / "java"
    if script:
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\n{script}\n")
        java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(server.ServerError) as failed:
        server.java()
    assert str(failed.value).startswith(sentence.format(java=java))


def test_a_server_that_dies_while_it_starts_names_its_log(tmp_path, monkeypatch):
    (tmp_path / "catalog.db").touch()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(
        "#!/bin/sh\necho ' version \"17\"' >&2; echo 25333; echo token; echo 'OutOfMemoryError: no room' >&2\n"
    )
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(server.ServerError) as failed:
        query.ask(tmp_path, "select 1")
    log = tmp_path / "athena" / "server.log"
    assert str(failed.value) == f"Trino ended while it started: OutOfMemoryError: no room; its log is {log}"


def test_jars_that_cannot_be_fetched_are_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "CACHE", tmp_path)
    monkeypatch.setattr(jars, "MAVEN_CENTRAL", (tmp_path / "nothing").as_uri())
    with pytest.raises(jars.FetchError, match=r"^a/b-1.jar cannot be fetched from Maven Central: "):
        jars.fetch([("a/b-1.jar", "0" * 64)])


def test_a_jar_that_is_another_one_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "CACHE", tmp_path / "jars")
    monkeypatch.setattr(jars, "MAVEN_CENTRAL", tmp_path.as_uri())
    (tmp_path / "b-1.jar").write_text("something")
    with pytest.raises(jars.FetchError, match=r"^b-1.jar from Maven Central does not have the SHA-256 0"):
        jars.fetch([("b-1.jar", "0" * 64)])
    assert [path.name for path in (tmp_path / "jars").iterdir()] == [".lock"]


def test_values_of_settings_are_escaped():
    assert process.escaped("größe, a lake (1+1=2) @~-") == "gr\\u00f6\\u00dfe, a lake (1+1=2) @~-"
    assert process.escaped("\U0001f600\\") == "\\ud83d\\ude00\\u005c"
