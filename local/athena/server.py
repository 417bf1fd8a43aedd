"""The Trino of a lake, as its clients see it: found by its note if it runs, started if not."""

import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from local import jars
from local.athena import catalogs

ROOT = Path(__file__).parents[2]
LISTS = Path(__file__).parent / "jars"
NOTE = "server.json"
VERSION = "406"
IDLE_SECONDS = 600.0
START_SECONDS = 180  # until it can be asked; as long again until it answers
ANOTHER_SERVES = 75  # the exit status of a process that finds the lake's lock taken
PLUGINS = ("io.trino.plugin.hive.HivePlugin", "io.trino.plugin.iceberg.IcebergPlugin")


class ServerError(Exception):
    """There is no server to ask; the message is one sentence."""


def find(lake: Path | str) -> int:
    """Return the port of the lake's server; start one if there is none."""
    home, wanted = catalogs.home(lake), settings(lake)
    note = running(home, wanted)
    if note is None:
        java()
        fetch_jars()
        note = start(lake, wanted)
    (home / NOTE).touch()
    return int(note["port"])


def running(home: Path, wanted: str) -> dict[str, Any] | None:
    """Return the note of the server that runs, or None: the note may be left over, and its port be another one's.

    A server with other settings than the wanted ends, as its note is deleted.
    """
    try:
        note = json.loads((home / NOTE).read_text())
        connection = http.client.HTTPConnection("127.0.0.1", note["port"], timeout=10)
        connection.request("GET", "/v1/info")
        told = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    if told.get("environment") != note["environment"]:
        return None
    if note["settings"] != wanted:
        (home / NOTE).unlink(missing_ok=True)
        return None
    return dict(note)


def start(lake: Path | str, wanted: str) -> dict[str, Any]:
    """Start a server that outlives this process, unless another one is starting; wait until it can be asked."""
    home = catalogs.home(lake)
    home.mkdir(parents=True, exist_ok=True)
    log, deadline, starting = home / "server.log", time.monotonic() + START_SECONDS, None
    print(f"athena: starting Trino {VERSION}; it ends when nobody has asked for ten minutes", file=sys.stderr)
    while time.monotonic() < deadline:
        if note := running(home, wanted):
            return note
        if starting is None or starting.poll() == ANOTHER_SERVES:
            with log.open("a") as output:
                starting = subprocess.Popen(  # noqa: S603  # ourselves
                    [sys.executable, "-m", "local.athena.process", str(lake), str(IDLE_SECONDS)],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        elif starting.poll() is not None:
            raise ServerError(f"Trino ended while it started: {why(log)}; its log is {log}")
        time.sleep(0.1)
    raise ServerError(f"Trino did not start within {START_SECONDS} s; its log is {log}")


def settings(lake: Path | str) -> str:
    """Return what a running server must have been started with to be the right one."""
    texts = [path.read_text() for path in (Path(__file__).with_name("process.py"), *sorted(LISTS.glob("*.txt")))]
    return hashlib.sha256(json.dumps([catalogs.of(lake), texts]).encode()).hexdigest()


def why(log: Path) -> str:
    """Return the first error of a log."""
    error = r"^\d+\) (?:Error: |\[.+?\]: )?(.+)|\tERROR\t(?:[^\t]*\t){2}(.+)|^(\S*(?:Error|Exception): .+)"
    found = re.search(error, log.read_text(errors="replace"), re.MULTILINE)
    return next(text for text in found.groups() if text) if found else "it does not say why"


def java() -> str:
    """Return the path of Java 17, or raise ``ServerError``."""
    command = f"{os.environ['JAVA_HOME']}/bin/java" if os.environ.get("JAVA_HOME") else "java"
    try:
        asked = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        raise ServerError(f"Java 17 is needed, and there is no {command}: install it, or set JAVA_HOME") from None
    version = re.search(r' version "(\d+)', asked.stderr)
    if not version or version[1] != "17":
        is_version = f"is version {version[1]}" if version else "does not say its version"
        raise ServerError(f"Java 17 is needed, and {command} {is_version}: install 17 beside it, and set JAVA_HOME")
    return command


def fetch_jars() -> tuple[list[Path], Path]:
    """Return the jars of the server, and a folder of plugins, with links to those of the connectors."""
    server, connectors = jars.listed(LISTS / "server.txt"), jars.listed(LISTS / "connectors.txt")
    jars.fetch([*server, *connectors])
    linked = jars.fetch(connectors)
    plugins = jars.CACHE / f"trino-{VERSION}-{hashlib.sha256(str(linked).encode()).hexdigest()[:8]}"
    if not plugins.exists():
        partial = plugins.with_name(f"{plugins.name}.{os.getpid()}")
        folder = partial / "lake"
        folder.mkdir(parents=True)
        for jar in linked:
            (folder / jar.name).symlink_to(jar)
        with zipfile.ZipFile(folder / "services.jar", "w") as services:  # the jars of Maven do not name their plugins
            services.writestr("META-INF/services/io.trino.spi.Plugin", "\n".join(PLUGINS))
        try:
            partial.rename(plugins)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return jars.fetch(server), plugins
