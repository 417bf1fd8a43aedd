"""What a run did, as one JSON line: on standard output, and kept in a folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pyspark.sql import SparkSession

from clickstream.storage import files


def write(spark: SparkSession, job: str, arguments: Any, counts: Mapping[str, Any]) -> None:
    """Print the report, and write it below ``arguments.run_reports_path``, if there is one."""
    finished_at = datetime.now(UTC)
    run_id = uuid4().hex
    report = {
        "job": job,
        "run_id": run_id,
        "finished_at": finished_at.isoformat(timespec="seconds"),
        "arguments": asdict(arguments),
        "counts": counts,
    }
    line = json.dumps(report, default=str)
    if arguments.run_reports_path:
        name = f"{finished_at:%Y%m%dT%H%M%S}_{run_id}.json"
        files.write_text(spark, f"{arguments.run_reports_path.rstrip('/')}/{job}/{name}", line)
    print(line, flush=True)
