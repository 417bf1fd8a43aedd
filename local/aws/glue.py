"""Glue jobs for moto's server, which knows no UpdateJob and says SUCCEEDED to every run: here a run is a process.

A job is what CreateJob or the last UpdateJob said, as a whole, with AWS's defaults. A run is ``python -m local run`` of
the script of that name in the working tree, in a folder of its own: what its arguments name in S3 is copied there
before, and what it has written back after. It succeeds if the process does; otherwise its last line is the reason.
"""

# ruff: noqa: SLF001  # `_get_param` is how moto's own handlers read a request

import json
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
from typing import Any
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.glue.exceptions import ConcurrentRunsExceededException
from moto.glue.models import FakeJob
from moto.glue.responses import GlueResponse

from local import aws

ROOT = Path(__file__).parent.parent
DEFAULTS = {"GlueVersion": "5.1", "MaxRetries": 0, "Timeout": 480, "ExecutionClass": "STANDARD"}
ARGUMENT = re.compile(r"--(?!conf$)[a-z][a-z0-9_]*")  # of a job; Glue's own have a hyphen or capitals
IN_S3 = re.compile(r"s3://([^/]+)/(.*)")
NOT_RUNNING = {"SUCCEEDED", "FAILED"}


def install() -> None:
    """Let Glue run jobs."""
    GlueResponse.create_job = _defining(GlueResponse.create_job)  # type: ignore[method-assign]
    GlueResponse.update_job = update_job  # type: ignore[attr-defined]
    FakeJob.as_dict = as_dict  # type: ignore[method-assign]
    FakeJob.start_job_run = start_job_run  # type: ignore[method-assign]


@dataclass
class Run:
    """A run, as moto's own handlers expect one."""

    job: str
    arguments: Mapping[str, str]
    definition: Mapping[str, Any]
    job_run_id: str = field(default_factory=lambda: f"jr_{uuid4().hex}{uuid4().hex}")
    status: str = "RUNNING"
    error: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

    def advance(self) -> None:
        """Leave it: the process decides."""

    def as_dict(self) -> dict[str, Any]:
        """Answer GetJobRun."""
        taken = ((self.ended or datetime.now(UTC)) - self.started).total_seconds()
        return {
            "Id": self.job_run_id,
            "JobName": self.job,
            "JobRunState": self.status,
            "StartedOn": self.started,
            "ExecutionTime": int(taken),
            "Arguments": dict(self.arguments),
            "GlueVersion": self.definition["GlueVersion"],
            **({"CompletedOn": self.ended} if self.ended else {}),
            **({"ErrorMessage": self.error} if self.error else {}),
        }


def as_dict(job: FakeJob) -> dict[str, Any]:
    """Answer GetJob."""
    return {"Name": job.name, "CreatedOn": job.created_on, **_definition(job)}


def update_job(request: GlueResponse) -> ActionResult:
    """Answer UpdateJob: what it does not say is forgotten."""
    job = request.glue_backend.get_job(request._get_param("JobName"))
    job.definition = json.loads(request.body)["JobUpdate"]  # type: ignore[attr-defined]
    return ActionResult({"JobName": job.name})


def start_job_run(job: FakeJob, arguments: Mapping[str, str] | None = None, **_: Any) -> str:
    """Answer StartJobRun."""
    definition = _definition(job)
    limit = definition.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
    if sum(run.status not in NOT_RUNNING for run in job.job_runs) >= limit:
        raise ConcurrentRunsExceededException(f"Concurrent runs exceeded for {job.name}")
    run = Run(job.name, dict(arguments or {}), definition)
    job.job_runs.append(run)  # type: ignore[arg-type]
    s3 = aws.session().client("s3", endpoint_url=f"http://127.0.0.1:{os.environ['MOTO_PORT']}")
    threading.Thread(target=carry_out, args=(run, s3), daemon=True).start()
    return run.job_run_id


def carry_out(run: Run, s3: Any) -> None:
    """Run the script, and note how it went."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            run.error = process(run, Path(folder), s3)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run has ended
        run.error = repr(error)
    run.ended = datetime.now(UTC)
    run.status = "FAILED" if run.error else "SUCCEEDED"


def process(run: Run, folder: Path, s3: Any) -> str:
    """Bring what the script reads, run it, take back what it has written; return its last words if it fails."""
    script = Path(run.definition["Command"]["ScriptLocation"]).stem
    given = {**run.definition.get("DefaultArguments", {}), **run.arguments}
    own = {name: value for name, value in given.items() if ARGUMENT.fullmatch(name)}
    words = [word for name, value in own.items() for word in (name, _brought(value, folder, s3))]
    before = _files(folder)
    done = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", "local", "--lake", f"{folder}/lake-of-the-run", "run", script, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for path, written in _files(folder).items():
        bucket, _, key = path.partition("/")
        if before.get(path) != written and bucket != "lake-of-the-run":
            s3.put_object(Bucket=bucket, Key=key, Body=(folder / path).read_bytes())
    return (done.stderr.strip().splitlines() or ["it failed and said nothing"])[-1] if done.returncode else ""


def _brought(value: str, folder: Path, s3: Any) -> str:
    """Copy what lies below a path in S3, of a pattern what lies below its fixed part; return where it is now."""
    match = IN_S3.fullmatch(value)
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
    """Note every file with its time and size."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".crc")
    }


def _definition(job: FakeJob) -> dict[str, Any]:
    return {**DEFAULTS, **job.definition}  # type: ignore[attr-defined]


def _defining(create_job: Callable[[GlueResponse], ActionResult]) -> Callable[[GlueResponse], ActionResult]:
    def answer(request: GlueResponse) -> ActionResult:
        made = create_job(request)
        job = request.glue_backend.get_job(request._get_param("Name"))
        asked = json.loads(request.body)
        job.definition = {name: asked[name] for name in asked if name not in {"Name", "Tags"}}  # type: ignore[attr-defined]
        return made

    return answer
