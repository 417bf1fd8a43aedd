"""CloudWatch metrics in its embedded format: a line of JSON in the log, of which CloudWatch makes metrics."""

import json
import time
from collections.abc import Mapping
from typing import Any

NAMESPACE = "Clickstream"


def emit(job: str, metrics: Mapping[str, tuple[float, str]], **noted: Any) -> None:
    """Print metrics (name -> value and CloudWatch's unit) of a job, and what else is worth finding beside them."""
    defined = [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()]
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Job"]], "Metrics": defined}],
        },
        "Job": job,
        **{name: value for name, (value, _) in metrics.items()},
        **noted,
    }
    print(json.dumps(line, default=str), flush=True)
