"""Glue jobs for moto's server, which has no UpdateJob and reports SUCCEEDED for every run: here a run is a process.

A job's definition is that of CreateJob or the last UpdateJob, as a whole, with AWS's defaults. A run is ``python -m
local run`` of the script of that name in the working tree, in its own folder: S3 paths among its arguments are copied
there first, and what it has written is copied back. The run succeeds if the process exits with 0; otherwise its error
message is the last line on standard error.
"""

# ruff: noqa: SLF001  # `_get_param` is how moto's own handlers read a request

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.glue.exceptions import ConcurrentRunsExceededException
from moto.glue.models import FakeJob
from moto.glue.responses import GlueResponse

from local import aws
from local.aws.patches import patch

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
DEFAULTS = {"GlueVersion": "5.1", "MaxRetries": 0, "Timeout": 480, "ExecutionClass": "STANDARD"}
JOB_ARGUMENT = re.compile(r"--(?!conf$)[a-z][a-z0-9_]*")  # Glue's own have a hyphen or capitals
LAKE = "lake-of-the-run"  # beside the folders that stand for buckets
CATALOG = "glue_catalog.clickstream."  # in Glue; the lake's own catalog has the same tables without it
S3_PATH = re.compile(r"s3://([^/]+)/(.*)")
FINISHED = {"SUCCEEDED", "FAILED"}

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
    s3 = aws.session().client("s3", endpoint_url=f"http://127.0.0.1:{os.environ['MOTO_PORT']}")
    threading.Thread(target=execute, args=(run, s3), daemon=True).start()
    return run.job_run_id


def execute(run: JobRun, s3: "S3Client") -> None:
    """Run the script, and set the status of the run."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            run.error = run_script(run, Path(folder), s3)
    except Exception as error:  # whatever it is, the run has ended
        logger.exception("the run %s of the job %s could not be executed", run.job_run_id, run.job)
        run.error = repr(error)
    run.ended = datetime.now(UTC)
    run.status = "FAILED" if run.error else "SUCCEEDED"


def run_script(run: JobRun, folder: Path, s3: "S3Client") -> str:
    """Copy the script's inputs from S3, run it, and copy its outputs back; return its error message, if any."""
    script = Path(run.definition["Command"]["ScriptLocation"]).stem
    arguments = {**run.definition.get("DefaultArguments", {}), **run.arguments}
    local_arguments: list[str] = []
    for name, value in arguments.items():
        if JOB_ARGUMENT.fullmatch(name):
            local_arguments += [name, _downloaded(value.removeprefix(CATALOG), folder, s3)]
    before = _files(folder)
    process = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", "local", "--lake", f"{folder}/{LAKE}", "run", script, *local_arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for path, written in _files(folder).items():
        bucket, _, key = path.partition("/")
        if before.get(path) != written and bucket != LAKE:
            s3.put_object(Bucket=bucket, Key=key, Body=(folder / path).read_bytes())
    return (process.stderr.strip().splitlines() or ["it failed without a message"])[-1] if process.returncode else ""


def _downloaded(value: str, folder: Path, s3: "S3Client") -> str:
    """Copy what lies below an S3 path (or the fixed part of a pattern), and return its local path; else the value."""
    match = S3_PATH.fullmatch(value)
    if not match:
        return value
    bucket, path = match.groups()
    fixed = re.split(r"[*?{\[]", path)[0]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=fixed):
        for found in page.get("Contents", []):
            target = folder / bucket / found["Key"]
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, found["Key"], str(target))
    return str(folder / bucket / path)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return time and size of every file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".crc")
    }


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
