"""A Trino for one lake: found if it runs, started if not.

A process of ours (this module) starts Java, notes in ``server.json`` where it listens, and ends with it: when nobody
has asked for ten minutes, when the note is gone (with its lake, say), or when it is told to. However it ends, Java
does, too: it reads its standard input until that closes. Whoever holds ``lock`` is the one server of the lake.
"""

import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from local import jars
from local.athena import catalogs

ROOT = Path(__file__).parents[2]
LISTS = Path(__file__).parent / "jars"
VERSION = "406"
IDLE_SECONDS = float(os.environ.get("CLICKSTREAM_ATHENA_IDLE_SECONDS", "600"))
START_SECONDS = 180
ANOTHER_SERVES = 75  # the exit status of a server that finds the lock taken
JAVA_OPTIONS = (
    "-Xmx1200m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # queries here are too short for the second compiler
    "-Djdk.attach.allowAttachSelf=true",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)
PLUGINS = ("io.trino.plugin.hive.HivePlugin", "io.trino.plugin.iceberg.IcebergPlugin")


class ServerError(Exception):
    """There is no server to ask; the message is one sentence."""


def find(lake: Path | str) -> int:
    """Return the port of the lake's server; start one if there is none."""
    home, wanted = catalogs.home(lake), settings(lake)
    note = running(home)
    if note and note["settings"] != wanted:
        (home / "server.json").unlink(missing_ok=True)  # which ends it
        note = None
    if note is None:
        java()
        fetch_jars()
        note = start(lake, wanted)
    os.utime(home / "server.json")
    return int(note["port"])


def start(lake: Path | str, wanted: str) -> dict[str, Any]:
    """Start a server that outlives this process, unless somebody else is about to; wait until it can be asked."""
    home = catalogs.home(lake)
    home.mkdir(parents=True, exist_ok=True)
    log, deadline, starting = home / "server.log", time.monotonic() + START_SECONDS, None
    print("athena: starting Trino, which answers until nobody has asked for ten minutes", file=sys.stderr)
    while time.monotonic() < deadline:
        if (note := running(home)) and note["settings"] == wanted:
            return note
        if starting is None or starting.poll() == ANOTHER_SERVES:
            with log.open("a") as output:
                starting = subprocess.Popen(  # noqa: S603  # ourselves
                    [sys.executable, "-m", "local.athena.server", str(lake)],
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


def running(home: Path) -> dict[str, Any] | None:
    """Return the note of the server that runs, or None: the note may be left over, and its port another one's."""
    try:
        note = json.loads((home / "server.json").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", note["port"], timeout=10)
        connection.request("GET", "/v1/info")
        told = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return dict(note) if told["environment"] == note["environment"] else None


def settings(lake: Path | str) -> str:
    """Return what a running server must have been started with to be the right one."""
    texts = [path.read_text() for path in (Path(__file__), *sorted(LISTS.glob("*.txt")))]
    return hashlib.sha256(json.dumps([catalogs.of(lake), texts]).encode()).hexdigest()


def why(log: Path) -> str:
    """Return what a log gives as the first error of the last start."""
    last = log.read_text(errors="replace").rpartition("starting Trino")[2]
    found = re.search(r"^\d+\) (?:Error: |\[.+?\]: )?(.+)|ERROR\s+\S+\s+\S+\s+(.+)|^(\w*Error.*)", last, re.MULTILINE)
    return next(text for text in found.groups() if text) if found else "it does not say why"


def java() -> str:
    """Return the path of Java 17, or raise ``ServerError``."""
    command = f"{os.environ['JAVA_HOME']}/bin/java" if os.environ.get("JAVA_HOME") else "java"
    try:
        asked = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        raise ServerError(f"Java 17 is needed, and there is no {command}: install it or set JAVA_HOME") from None
    found = re.search(r' version "(\d+)', asked.stderr)
    if not found or found[1] != "17":
        version = f"version {found[1]}" if found else "none that says its version"
        raise ServerError(f"Java 17 is needed, and {command} is {version}: install 17 beside it and set JAVA_HOME")
    return command


def fetch_jars() -> tuple[list[Path], Path]:
    """Return the jars of the server, and a folder of plugins, with links to those of the connectors."""
    server = jars.fetch(jars.listed(LISTS / "server.txt"))
    connectors = jars.fetch([*jars.listed(LISTS / "connectors.txt"), jars.SQLITE])
    plugins = jars.CACHE / f"trino-{VERSION}-{hashlib.sha256(str(connectors).encode()).hexdigest()[:8]}"
    if not plugins.exists():
        partial = plugins.with_name(f"{plugins.name}.{os.getpid()}")
        folder = partial / "lake"
        folder.mkdir(parents=True)
        for jar in connectors:
            (folder / jar.name).symlink_to(jar)
        with zipfile.ZipFile(folder / "services.jar", "w") as services:  # Maven's jars do not name their plugins
            services.writestr("META-INF/services/io.trino.spi.Plugin", "\n".join(PLUGINS))
        try:
            partial.rename(plugins)
        except OSError:  # another process was first
            shutil.rmtree(partial)
    return server, plugins


def serve(lake: Path | str, port: int, until: Callable[[], bool], announce: Callable[[int], None]) -> int:
    """Run the lake's server until it is told to end, its note is gone or Java has ended; return the exit status."""
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway  # noqa: PLC0415  # a client has no need
    from py4j.protocol import Py4JError  # noqa: PLC0415

    home = catalogs.home(lake)
    home.mkdir(parents=True, exist_ok=True)
    server, plugins = fetch_jars()
    environment = f"lake_{uuid4().hex}"
    write_settings(home, {"plugin.dir": str(plugins), "node.environment": environment}, catalogs.of(lake), port)
    print("starting Trino", flush=True)
    with (home / "server.log").open("a") as log:
        gateway_port, token, process = launch_gateway(
            jarpath=str(_py4j_jar()),
            classpath=":".join(map(str, server)),
            javaopts=[*JAVA_OPTIONS, f"-Dconfig={home}/etc/config.properties", f"-Dlog.levels-file={home}/etc/log.properties"],
            java_path=java(),
            cwd=str(home),  # where Trino looks for etc/catalog and etc/access-control.properties
            die_on_exit=True,
            enable_auth=True,
            redirect_stdout=log,
            redirect_stderr=log,
            return_proc=True,
        )
        try:
            gateway = JavaGateway(gateway_parameters=GatewayParameters(port=gateway_port, auth_token=token))
            try:
                gateway.jvm.io.trino.server.Server().start(VERSION)
                gateway.shutdown()
            except (Py4JError, OSError) as error:
                print(f"ServerError: {error}", file=sys.stderr)
                return 1
            note = json.dumps({"port": port, "pid": os.getpid(), "environment": environment, "settings": settings(lake)})
            (home / "server.json.new").write_text(note)
            (home / "server.json.new").rename(home / "server.json")
            announce(port)
            while process.poll() is None and _text(home / "server.json") == note and not until():
                time.sleep(0.5)
        finally:
            process.kill()
            process.wait()
            if _text(home / "server.json").find(environment) > 0:
                (home / "server.json").unlink(missing_ok=True)
    return 0


def write_settings(home: Path, node: dict[str, str], lake_catalogs: catalogs.Catalogs, port: int) -> None:
    """Write Trino's configuration: on 127.0.0.1 only, for one user with short queries, and for reading."""
    shutil.rmtree(home / "etc", ignore_errors=True)
    files = {
        "config": {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(port),
            "discovery.uri": f"http://127.0.0.1:{port}",
            "node.bind-ip": "127.0.0.1",
            "node.internal-address": "127.0.0.1",
            "node.id": "local",
            "query.max-memory": "512MB",
            "query.max-memory-per-node": "512MB",
            "memory.heap-headroom-per-node": "256MB",
            **node,
        },
        "log": dict.fromkeys(("Bootstrap", "io.airlift", "io.trino", "org"), "WARN"),
        "access-control": {"access-control.name": "read-only"},
        **{f"catalog/{name}": properties for name, properties in lake_catalogs.items()},
    }
    for name, properties in files.items():
        path = home / "etc" / f"{name}.properties"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key}={_escaped(value)}\n" for key, value in properties.items()))


@contextmanager
def locked(home: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lake's lock, if it is free or we wait for it; it is free as soon as its holder has ended."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def run_in_foreground(lake: Path | str, port: int) -> int:
    """Run the lake's server until Ctrl-C or the end of the parent; a server of the same lake makes way."""
    home, parent = catalogs.home(lake), os.getppid()
    try:
        java()
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
        (home / "server.json").unlink(missing_ok=True)
        with locked(home, wait=True):
            return serve(
                lake,
                port,
                until=lambda: os.getppid() != parent,
                announce=lambda port: print(f"Trino {VERSION} over {lake}: http://127.0.0.1:{port}; log: {home}/server.log", flush=True),
            )
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"athena: port {port}: {os.strerror(error.errno or 0).lower()}; choose another by --port", file=sys.stderr)
    except (ServerError, jars.FetchError) as error:
        print(f"athena: {error}", file=sys.stderr)
    return 1


def _serve_in_background(lake: Path | str) -> int:
    home = catalogs.home(lake)
    note = home / "server.json"
    with locked(home, wait=False) as is_ours, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        if not is_ours:
            return ANOTHER_SERVES
        return serve(lake, port, until=lambda: _age(note) > IDLE_SECONDS, announce=lambda _: None)


def _age(path: Path) -> float:
    """Return the seconds since a file was touched; 0 if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _py4j_jar() -> Path:
    """Return the jar that comes with pyspark."""
    spec = find_spec("pyspark")
    homes = [Path(os.environ["SPARK_HOME"])] if "SPARK_HOME" in os.environ else []
    if spec and spec.origin:
        homes.append(Path(spec.origin).parent)
    return next(jar for home in homes for jar in home.glob("jars/py4j-*.jar"))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _escaped(value: str) -> str:
    """Write a value as Java's property files want it: other characters than ASCII's by their UTF-16."""
    units = value.encode("utf-16-be").hex()
    codes = [units[at : at + 4] for at in range(0, len(units), 4)]
    return "".join(chr(int(code, 16)) if code < "0080" and code != "005c" else f"\\u{code}" for code in codes)


if __name__ == "__main__":
    sys.exit(_serve_in_background(sys.argv[1] if sys.argv[1].startswith("s3://") else Path(sys.argv[1])))
