"""Step Functions for moto's server: adds JSONata, ``.sync`` and names of executions to its interpreter."""

# ruff: noqa: SLF001  # what is patched is private to moto

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from jsonata import Jsonata  # type: ignore[import-untyped]
from moto.core.config import default_user_config
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.responses import StepFunctionResponse

from local.aws.patches import patch

POLL_SECONDS = 0.2


def install() -> None:
    """Make Step Functions run state machines."""
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    jsonata._eval_jsonata = evaluate
    patch(
        StateTaskServiceCallback,
        _eval_integration_pattern=_also_without_tokens(StateTaskServiceCallback._eval_integration_pattern),
    )
    patch(StepFunctionResponse, start_execution=_named(StepFunctionResponse.start_execution))


def evaluate(expression: str) -> Any:
    """Evaluate an expression as Step Functions does, with its function ``$parse``."""
    parsed = Jsonata(expression)
    parsed.register_lambda("parse", json.loads)
    try:
        return parsed.evaluate(None)
    except Exception as error:
        raise jsonata.JSONataException("UNKNOWN", str(error)) from error


def _also_without_tokens(evaluate_pattern: Callable[..., None]) -> Callable[..., None]:
    """Wait for the end of a ``.sync`` task also where the service has no task tokens, for which moto does not wait."""

    def wait(task: StateTaskServiceCallback, **request: Any) -> None:
        if ResourceCondition.WaitForTaskToken in task._supported_integration_patterns:
            evaluate_pattern(task, **request)
            return
        has_ended = task._build_sync_resolver(**request)
        outcome = None
        while request["env"].is_running() and has_ended and not (outcome := has_ended()):
            time.sleep(POLL_SECONDS)
        request["env"].stack.append(outcome)

    return wait


def _named(start: Callable[[StepFunctionResponse], ActionResult]) -> Callable[[StepFunctionResponse], ActionResult]:
    """Name an execution where the request does not: moto names all of those ``None``."""

    def start_execution(request: StepFunctionResponse) -> ActionResult:
        get_param = request._get_param

        def with_name(parameter: str, *others: Any, **named: Any) -> Any:
            return get_param(parameter, *others, **named) or (str(uuid4()) if parameter == "name" else None)

        vars(request)["_get_param"] = with_name
        return start(request)

    return start_execution
