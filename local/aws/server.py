"""The process behind ``local.aws``: moto's server on an inherited socket, until its standard input ends."""

import io
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.aws import athena, functions, glue, kinesis, patches, state_machines, table_optimizers


def serve(listening: int, port: int, record_to: str) -> None:
    """Serve requests on the socket with the file descriptor ``listening``; record each of them, if a file is named."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not one line per request
    os.environ["MOTO_PORT"] = str(port)  # moto calls itself
    for service in (athena, functions, glue, kinesis, patches, state_machines, table_optimizers):
        service.install()
    application: Any = DomainDispatcherApplication(create_backend_app)
    if record_to:
        application = recorded(application, record_to)
    make_server(
        "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler, fd=listening
    ).serve_forever()


def recorded(application: Any, path: str) -> Any:
    """Add a line of JSON to a file for each request, once it has been answered."""
    requests = Path(path).open("a", buffering=1)  # noqa: SIM115  # for as long as the process lasts

    def respond(environ: dict[str, Any], start_response: Any) -> Any:
        credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
        key, *scope = credential.split("/")  # <date>/<region>/<service>/aws4_request
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        request = {
            "by": key,
            "service": scope[2] if len(scope) > 2 else "",  # noqa: PLR2004
            "method": "COPY" if "HTTP_X_AMZ_COPY_SOURCE" in environ else environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "source": environ.get("HTTP_X_AMZ_COPY_SOURCE", ""),
            "action": action,
            "body": _body(environ) if action or environ["QUERY_STRING"] in {"delete", "delete="} else "",
        }

        def answered(status: str, *more: Any) -> Any:
            requests.write(json.dumps({**request, "status": int(status[:3])}) + "\n")
            return start_response(status, *more)

        return application(environ, answered)

    return respond


def _body(environ: dict[str, Any]) -> str:
    """Read a request's body, and leave it to be read."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return str(body, errors="replace")


def end_with_parent() -> None:
    """End the process as soon as its parent has ended, which closes standard input, however it ended."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="local aws: %(message)s")
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
