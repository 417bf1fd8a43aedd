"""Run an unmodified script of ``glue_jobs`` on stubs of Glue."""

import dataclasses
import importlib
import logging
import runpy
import sys
from itertools import pairwise
from pathlib import Path

from pyspark.sql import SparkSession

from clickstream.errors import ClickstreamError
from clickstream.runtime.arguments import help_of, parse_arguments
from deploy.jobs import TEMP_FOLDER
from local import lake as lakes
from local import progress, s3_lake, summary
from local.glue_stubs import install_glue_stubs
from local.jars import FetchError

JOBS = Path(__file__).parent.parent / "glue_jobs"  # each of its files is a job
RUN_REPORTS = "run_reports_path"
MAX_SHORT_RUN_BYTES = 64 * 2**20  # bytes of input: about a million events

logger = logging.getLogger(__name__)


def run(lake: Path | str, name: str, arguments: list[str]) -> int:
    """Run a job on a lake; return 0 only if it has committed."""
    sys.path.insert(0, str(JOBS))  # as for any script: its neighbours can be imported
    job = importlib.import_module(name)
    if "--help" in arguments or "-h" in arguments:
        print(help_of(job.Arguments, job.__doc__, prog=f"python -m local run {name}"), end="")
        return 0
    script = JOBS / f"{name}.py"
    sys.argv = [str(script), "--JOB_NAME", name, *with_defaults(lake, job.Arguments, arguments)]
    try:
        parse_arguments(job.Arguments, sys.argv)  # a wrong one need not wait for Spark
        logger.info("%s: starting Spark", name)
        spark = start(lake, arguments, c1_only=is_short_run(lake, name, arguments))
        committed = install_glue_stubs(spark)
        with progress.shown(spark, name), summary.in_words():
            runpy.run_path(str(script), run_name="__main__")
    except (ClickstreamError, FetchError, NotImplementedError) as error:
        logger.debug("%s: where it failed", name, exc_info=True)
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    if committed is not None and not committed:
        print(f"{name}: ended without committing", file=sys.stderr)
        return 1
    if isinstance(lake, Path):
        lakes.remember_paths(lake, arguments)
    return 0


def start(lake: Path | str, arguments: list[str], *, c1_only: bool) -> SparkSession:
    """Start Spark on a folder or on a bucket."""
    if isinstance(lake, Path):
        return lakes.session(lake, c1_only=c1_only)
    return s3_lake.session(lake, s3_lake.conf_of(arguments))


def is_short_run(lake: Path | str, name: str, arguments: list[str]) -> bool:
    """Whether a run is known to read so little that Java's second compiler would cost more than it gains."""
    given = dict(pairwise(arguments))
    if "--trigger" in given:
        return given["--trigger"] == "available_now"
    if "--raw_path" in given:
        return "://" not in given["--raw_path"] and _bytes_in(Path(given["--raw_path"])) < MAX_SHORT_RUN_BYTES
    if name != "sessions_batch" or isinstance(lake, str):
        return False
    is_later_run = (lake / "session_events" / "data").exists()  # which reads what has changed
    return is_later_run or _bytes_in(lake / "events") < MAX_SHORT_RUN_BYTES


def _bytes_in(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def with_defaults(lake: Path | str, kind: type, arguments: list[str]) -> list[str]:
    """Add the folders in the lake for temporary rows and for reports of runs, unless they are given."""
    complete = ["--TempDir", f"{lake}/{TEMP_FOLDER}", *arguments]  # of two, Glue takes the last
    is_given = any(word.partition("=")[0] == f"--{RUN_REPORTS}" for word in arguments)
    if not is_given and RUN_REPORTS in {field.name for field in dataclasses.fields(kind)}:
        complete += [f"--{RUN_REPORTS}", f"{lake}/run_reports"]
    return complete
