"""The process behind ``local.aws``: moto's server on a socket that it is handed, until its standard input ends."""

import logging
import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.aws import athena, functions, glue, kinesis, patches, state_machines


def serve(listening: int, port: int) -> None:
    """Answer requests on the socket with this file descriptor."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not one line per request
    os.environ["MOTO_PORT"] = str(port)  # moto calls itself
    for service in (moto_athena, moto_gaps, moto_glue, moto_kinesis, moto_lambda, moto_step_functions):
        service.install()
    application = DomainDispatcherApplication(create_backend_app)
    make_server(
        "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler, fd=listening
    ).serve_forever()


def end_with_parent() -> None:
    """End the process at once when whoever holds the other end of its standard input is gone, however it went."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
