"""Lambda for moto's server, which would need Docker: each call runs the function's own zip in a process.

An event source mapping takes a while to be deleted, and its function has to exist.
"""

import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

from moto.awslambda.exceptions import ConflictException
from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction

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


DELETING_SECONDS = 0.5


def install() -> None:
    """Make Lambda call functions, and keep its event source mappings as AWS does."""
    patch(LambdaFunction, _invoke_lambda=call, get_code=_with_concurrency(LambdaFunction.get_code))
    patch(EventSourceMapping, get_configuration=_with_deleting(EventSourceMapping.get_configuration))
    patch(
        LambdaBackend,
        list_event_source_mappings=_of_a_function(LambdaBackend.list_event_source_mappings),
        create_event_source_mapping=_once(LambdaBackend.create_event_source_mapping),
        delete_event_source_mapping=delete_event_source_mapping,
    )


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
                env={"PATH": os.environ["PATH"], **aws.environment(endpoint, function.role), **environment},
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


def delete_event_source_mapping(backend: LambdaBackend, uuid: str) -> EventSourceMapping | None:
    """Begin to delete a mapping, which is listed as Deleting meanwhile."""
    mapping = backend.get_event_source_mapping(uuid)
    if mapping:
        vars(mapping).setdefault("gone_at", time.monotonic() + DELETING_SECONDS)
    return mapping


def _with_deleting(configuration: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def get_configuration(mapping: EventSourceMapping) -> dict[str, Any]:
        return configuration(mapping) | ({"State": "Deleting"} if "gone_at" in vars(mapping) else {})

    return get_configuration


def _of_a_function(list_mappings: Callable[..., Iterable[EventSourceMapping]]) -> Callable[..., Any]:
    """Leave out what is deleted by now; moto finds nothing for a function that does not exist, AWS fails."""

    def list_event_source_mappings(backend: LambdaBackend, event_source_arn: str, function_name: str) -> Any:
        if function_name:
            backend.get_function(function_name)
        found = list_mappings(backend, event_source_arn, function_name)
        return [mapping for mapping in found if vars(mapping).get("gone_at", math.inf) > time.monotonic()]

    return list_event_source_mappings


def _once(create: Callable[..., EventSourceMapping]) -> Callable[..., EventSourceMapping]:
    """Reject a second mapping of a function and a stream."""

    def create_event_source_mapping(backend: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
        if found := backend.list_event_source_mappings(spec["EventSourceArn"], spec["FunctionName"]):
            uuid = next(iter(found)).uuid
            raise ConflictException(f"An event source mapping with {spec['FunctionName']} already exists: {uuid}")
        return create(backend, spec)

    return create_event_source_mapping


def _with_concurrency(get_code: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return a reserved concurrency of 0, too, which moto does not."""

    def with_concurrency(function: LambdaFunction) -> dict[str, Any]:
        reserved = function.reserved_concurrency
        concurrency = {} if reserved is None else {"Concurrency": {"ReservedConcurrentExecutions": reserved}}
        return get_code(function) | concurrency

    return with_concurrency
