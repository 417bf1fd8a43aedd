"""The process behind ``local.aws``: moto's server on an inherited socket, until its standard input ends."""

import logging
import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.aws import athena, functions, glue, kinesis, patches, state_machines, table_optimizers


def serve(listening: int, port: int) -> None:
    """Serve requests on the socket with the file descriptor ``listening``."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not one line per request
    os.environ["MOTO_PORT"] = str(port)  # moto calls itself
    for service in (athena, functions, glue, kinesis, patches, state_machines, table_optimizers):
        service.install()
    application = DomainDispatcherApplication(create_backend_app)
    make_server(
        "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler, fd=listening
    ).serve_forever()


def end_with_parent() -> None:
    """End the process as soon as its parent has ended, which closes standard input, however it ended."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="local aws: %(message)s")
    serve(int(sys.argv[1]), int(sys.argv[2]))
