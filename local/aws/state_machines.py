"""Step Functions for moto's server: its interpreter, with what that lacks: JSONata, ``.sync``, executions' names."""

# ruff: noqa: SLF001  # what is mended is moto's own

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from jsonata import Jsonata
from moto.core.config import default_user_config
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.responses import StepFunctionResponse

POLL_SECONDS = 0.2


def install() -> None:
    """Let Step Functions run state machines."""
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    jsonata._eval_jsonata = evaluate
    waiting = StateTaskServiceCallback._eval_integration_pattern
    StateTaskServiceCallback._eval_integration_pattern = _also_without_tokens(waiting)  # type: ignore[method-assign]
    StepFunctionResponse.start_execution = _named(StepFunctionResponse.start_execution)  # type: ignore[method-assign]


def evaluate(expression: str) -> Any:
    """Evaluate an expression as Step Functions does, with its function ``$parse``."""
    parsed = Jsonata(expression)
    parsed.register_lambda("parse", json.loads)
    try:
        return parsed.evaluate(None)
    except Exception as error:
        raise jsonata.JSONataException("UNKNOWN", str(error)) from error


def _also_without_tokens(evaluate_pattern: Callable[..., None]) -> Callable[..., None]:
    """Wait for the end of what was started, also where a service knows no task tokens: there moto interrupts None."""

    def wait(task: StateTaskServiceCallback, **asked: Any) -> None:
        if ResourceCondition.WaitForTaskToken in task._supported_integration_patterns:
            evaluate_pattern(task, **asked)
            return
        has_ended = task._build_sync_resolver(**asked)
        outcome = None
        while asked["env"].is_running() and has_ended and not (outcome := has_ended()):
            time.sleep(POLL_SECONDS)
        asked["env"].stack.append(outcome)

    return wait


def _named(start: Callable[[StepFunctionResponse], ActionResult]) -> Callable[[StepFunctionResponse], ActionResult]:
    """Give an execution a name of its own where none is asked for: moto calls all of those ``None``."""

    def answer(request: StepFunctionResponse) -> ActionResult:
        asked = request._get_param

        def with_name(parameter: str, *others: Any, **named: Any) -> Any:
            return asked(parameter, *others, **named) or (str(uuid4()) if parameter == "name" else None)

        request._get_param = with_name  # type: ignore[method-assign]
        return start(request)

    return answer
