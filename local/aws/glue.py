"""Glue jobs for moto's server, which has no UpdateJob and reports SUCCEEDED for every run: here a run is a process.

A job's definition is that of CreateJob or the last UpdateJob, as a whole, with AWS's defaults. A run is ``python -m
local run`` of the script of that name in the working tree, with the definition's own arguments, ``--conf`` among them,
on the S3 and the Glue catalog of this server. It succeeds if the process exits with 0; otherwise its error message is
the last line on standard error. A run that exceeds its definition's timeout is killed and has no message.
"""

# ruff: noqa: SLF001  # `_get_param` is how moto's own handlers read a request

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.glue.exceptions import ConcurrentRunsExceededException
from moto.glue.models import FakeJob
from moto.glue.responses import GlueResponse

from local import aws
from local.aws.patches import patch

ROOT = Path(__file__).parents[2]
DEFAULTS = {"GlueVersion": "5.1", "MaxRetries": 0, "Timeout": 480, "ExecutionClass": "STANDARD"}
FINISHED = {"SUCCEEDED", "FAILED", "TIMEOUT"}

logger = logging.getLogger(__name__)


def install() -> None:
    """Make Glue run jobs."""
    patch(GlueResponse, create_job=_defining(GlueResponse.create_job), update_job=update_job)
    patch(FakeJob, as_dict=as_dict, start_job_run=start_job_run)


@dataclass
class JobRun:
    """A run, as moto's handlers expect one."""

    job: str
    arguments: Mapping[str, str]
    definition: Mapping[str, Any]
    job_run_id: str = field(default_factory=lambda: f"jr_{uuid4().hex}{uuid4().hex}")
    status: str = "RUNNING"
    error: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

    def advance(self) -> None:
        """Do nothing: the process decides on the status."""

    def as_dict(self) -> dict[str, Any]:
        """Return the response of GetJobRun."""
        duration = ((self.ended or datetime.now(UTC)) - self.started).total_seconds()
        return {
            "Id": self.job_run_id,
            "JobName": self.job,
            "JobRunState": self.status,
            "StartedOn": self.started,
            "ExecutionTime": int(duration),
            "Arguments": dict(self.arguments),
            "GlueVersion": self.definition["GlueVersion"],
            **({"CompletedOn": self.ended} if self.ended else {}),
            **({"ErrorMessage": self.error} if self.error else {}),
        }


def as_dict(job: FakeJob) -> dict[str, Any]:
    """Return the response of GetJob."""
    return {"Name": job.name, "CreatedOn": job.created_on, **_definition(job)}


def update_job(request: GlueResponse) -> ActionResult:
    """Handle UpdateJob: what the request leaves out is reset."""
    job = request.glue_backend.get_job(request._get_param("JobName"))
    job.definition = json.loads(request.body)["JobUpdate"]  # type: ignore[attr-defined]
    return ActionResult({"JobName": job.name})


def start_job_run(job: FakeJob, arguments: Mapping[str, str] | None = None, **_: Any) -> str:
    """Handle StartJobRun."""
    definition = _definition(job)
    limit = definition.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
    if sum(run.status not in FINISHED for run in job.job_runs) >= limit:
        raise ConcurrentRunsExceededException(f"Concurrent runs exceeded for {job.name}")
    run = JobRun(job.name, dict(arguments or {}), definition)
    job.job_runs.append(run)  # type: ignore[arg-type]
    threading.Thread(target=execute, args=(run,), daemon=True).start()
    return run.job_run_id


def execute(run: JobRun) -> None:
    """Run the script, and set the status of the run."""
    state = ""
    try:
        run.error = run_script(run)
    except subprocess.TimeoutExpired:
        state = "TIMEOUT"
    except Exception as error:  # whatever it is, the run has ended
        logger.exception("the run %s of the job %s could not be executed", run.job_run_id, run.job)
        run.error = repr(error)
    run.ended = datetime.now(UTC)
    run.status = state or ("FAILED" if run.error else "SUCCEEDED")


def run_script(run: JobRun) -> str:
    """Run the script with the definition's arguments and the run's; return its error message, if any."""
    script = Path(run.definition["Command"]["ScriptLocation"]).stem
    arguments = {**run.definition.get("DefaultArguments", {}), **run.arguments}
    lake = "/".join(arguments["--TempDir"].split("/")[:3])
    words = [word for pair in arguments.items() for word in pair]
    process = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", "local", "--lake", lake, "run", script, *words],
        cwd=ROOT,
        env=os.environ | aws.environment(f"http://127.0.0.1:{os.environ['MOTO_PORT']}", run.definition["Role"]),
        capture_output=True,
        text=True,
        check=False,
        timeout=run.definition["Timeout"] * 60,
    )
    return (process.stderr.strip().splitlines() or ["it failed without a message"])[-1] if process.returncode else ""


def _definition(job: FakeJob) -> dict[str, Any]:
    return {**DEFAULTS, **job.definition}  # type: ignore[attr-defined]


def _defining(create_job: Callable[[GlueResponse], ActionResult]) -> Callable[[GlueResponse], ActionResult]:
    def create(request: GlueResponse) -> ActionResult:
        response = create_job(request)
        job = request.glue_backend.get_job(request._get_param("Name"))
        given = json.loads(request.body)
        job.definition = {name: given[name] for name in given if name not in {"Name", "Tags"}}  # type: ignore[attr-defined]
        return response

    return create
