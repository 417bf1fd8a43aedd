"""The process that runs a lake's Trino: it starts Java, notes where that listens, and ends with it.

It ends when nobody has asked for a while (who asks touches the note), when the note is gone (with its lake, say) or
when Java has ended. However it ends, Java does, too, which reads its standard input until that closes. Of one lake
there is one server: it holds the lake's lock.
"""

import fcntl
import json
import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JError

from clickstream.errors import ClickstreamError
from local import files, jars, lake_folder
from local.athena import catalogs, client, metastore, server
from local.athena.server import NOTE, VERSION, ServerError

JAVA_OPTIONS = (
    "-Xmx1200m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # queries here are too short for the second compiler
    "-Djdk.attach.allowAttachSelf=true",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)


def serve(lake: Path | str, port: int, until: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Run Trino until it has a reason to end; raise ``ServerError`` if it does not start."""
    home, environment = catalogs.home(lake), f"lake_{uuid4().hex}"
    note = {"port": port, "pid": os.getpid(), "environment": environment, "settings": server.settings(lake)}
    class_path, plugins = server.fetch_jars()
    write_settings(home, port, catalogs.of(lake), {"plugin.dir": str(plugins), "node.environment": environment})
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # its error is raised, too
    with (home / "server.log").open("a") as log:
        log.truncate(0)
        gateway_port, token, java = launch_gateway(  # whose main class is one that can call Trino's, which has none
            jarpath=str(py4j_jar()),
            classpath=":".join(map(str, class_path)),
            javaopts=[
                *JAVA_OPTIONS,
                f"-Dconfig={home}/etc/config.properties",
                f"-Dlog.levels-file={home}/etc/log.properties",
            ],
            java_path=server.java(),
            cwd=str(home),  # where Trino looks for etc/catalog and etc/access-control.properties
            die_on_exit=True,
            enable_auth=True,
            redirect_stdout=log,
            redirect_stderr=log,
            return_proc=True,
        )
        try:
            start_trino(
                JavaGateway(gateway_parameters=GatewayParameters(port=gateway_port, auth_token=token)), log.name
            )
            files.replace(home / NOTE, json.dumps(note))
            while java.poll() is None and is_noted(home, environment) and not until():
                meanwhile()
                time.sleep(0.5)
        finally:
            java.kill()
            java.wait()
            if is_noted(home, environment):
                (home / NOTE).unlink(missing_ok=True)


def start_trino(gateway: JavaGateway, log: str) -> None:
    """Start Trino in the Java of a gateway, and close the gateway; raise ``ServerError`` if Java ends instead."""
    try:
        gateway.jvm.io.trino.server.Server().start(VERSION)
        gateway.shutdown()
    except (Py4JError, OSError) as error:
        raise ServerError(f"Trino ended while it started: {server.why(Path(log))}; its log is {log}") from error


def is_noted(home: Path, environment: str) -> bool:
    """Whether the lake's note is that of this server."""
    try:
        return environment in (home / NOTE).read_text()
    except OSError:
        return False


def write_settings(home: Path, port: int, lake_catalogs: catalogs.Catalogs, more: dict[str, str]) -> None:
    """Write Trino's configuration: on 127.0.0.1 only, in little memory, and for reading only."""
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
            **more,
        },
        "log": {**dict.fromkeys(("Bootstrap", "io.airlift", "io.trino", "org"), "WARN"), "org.glassfish": "ERROR"},
        "access-control": {"access-control.name": "read-only"},
        **{f"catalog/{name}": properties for name, properties in lake_catalogs.items()},
    }
    for name, properties in files.items():
        path = home / "etc" / f"{name}.properties"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key}={escaped(value)}\n" for key, value in properties.items()))


def escaped(value: str) -> str:
    """Write a value as Java's property files want it: what is not ASCII by its UTF-16."""
    utf_16 = value.encode("utf-16-be").hex()
    codes = [int(utf_16[at : at + 4], 16) for at in range(0, len(utf_16), 4)]
    return "".join(chr(code) if chr(code).isascii() and chr(code) != "\\" else f"\\u{code:04x}" for code in codes)


@contextmanager
def locked(home: Path) -> Iterator[bool]:
    """Hold the lake's lock, unless another process does; it is free as soon as its holder has ended."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def serve_in_foreground(lake: Path | str, port: int) -> int:
    """Run the lake's server until Ctrl-C or the end of the parent; one that runs in the background makes way."""
    parent = os.getppid()
    try:
        home = catalogs.home(lake)
        if isinstance(lake, Path):
            lake_folder.check(lake)
        check_free(port)
        while True:
            (home / NOTE).unlink(missing_ok=True)
            with locked(home) as is_ours:
                if is_ours:
                    print(
                        f"athena: Trino {VERSION} -> http://127.0.0.1:{port}, its log -> {home}/server.log",
                        file=sys.stderr,
                    )
                    follow = partial(metastore.update, lake, partial(client.ask, port))  # other clients do not
                    serve(lake, port, until=lambda: os.getppid() != parent, meanwhile=follow)
                    return 0
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0
    except (ClickstreamError, client.QueryError, jars.FetchError, ServerError) as error:
        print(f"athena: {error}", file=sys.stderr)
        return 1


def serve_in_background(lake: Path | str, idle_seconds: float) -> int:
    """Run the lake's server until nobody has asked for a while, if no other process does; return the exit status."""
    home = catalogs.home(lake)

    def is_idle() -> bool:
        try:
            return time.time() - (home / NOTE).stat().st_mtime > idle_seconds
        except OSError:
            return True

    with locked(home) as is_ours:
        if not is_ours:
            return server.ANOTHER_SERVES
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        serve(lake, port, until=is_idle)
    return 0


def check_free(port: int) -> None:
    """Raise ``ServerError`` if something listens on a port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ServerError(f"port {port}: {reason}; choose another by --port") from error


def py4j_jar() -> Path:
    """Return the jar that comes with Spark."""
    package = find_spec("pyspark")
    homes = [Path(os.environ["SPARK_HOME"])] if "SPARK_HOME" in os.environ else []
    homes += [Path(package.origin).parent] if package and package.origin else []
    return next(jar for home in homes for jar in home.glob("jars/py4j-*.jar"))


if __name__ == "__main__":
    place, idle_seconds = sys.argv[1:]
    sys.exit(serve_in_background(place if place.startswith("s3://") else Path(place), float(idle_seconds)))
