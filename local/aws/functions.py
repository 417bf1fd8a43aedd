"""Lambda for moto's server, which would need Docker: each call runs the function's own zip in a process."""

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from typing import Any

from moto.awslambda.models import LambdaFunction

from local import aws
from local.aws.patches import patch

CALL = """
import importlib, json, sys, time, traceback
module, _, name = sys.argv[1].rpartition(".")
ends = time.time() + float(sys.argv[2])

class Context:
    def get_remaining_time_in_millis(self):
        return int(1000 * (ends - time.time()))

sys.path.insert(0, ".")
responses, sys.stdout = sys.stdout, sys.stderr
try:
    response = getattr(importlib.import_module(module), name)(json.load(sys.stdin), Context())
except Exception as error:
    traceback.print_exc()
    json.dump({"errorMessage": str(error), "errorType": type(error).__name__}, responses)
    sys.exit(1)
json.dump(response, responses)
"""


def install() -> None:
    """Make Lambda call functions."""
    patch(LambdaFunction, _invoke_lambda=call)


def call(function: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
    """Call a function; return its response, whether it is an error, and its output."""
    environment: dict[str, str] = function.environment_vars
    endpoint = f"http://127.0.0.1:{os.environ['MOTO_PORT']}"
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(folder)
        try:
            done = subprocess.run(  # noqa: S603  # ourselves
                [sys.executable, "-c", CALL, str(function.handler), str(function.timeout)],
                cwd=folder,
                env={"PATH": os.environ["PATH"], **aws.environment(endpoint), **environment},
                input=event if isinstance(event, str) else json.dumps(event or {}),
                capture_output=True,
                text=True,
                timeout=float(function.timeout),
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"Task timed out after {function.timeout} seconds"
            return json.dumps({"errorMessage": message, "errorType": "Sandbox.Timedout"}), True, ""
    return done.stdout, done.returncode != 0, done.stderr
