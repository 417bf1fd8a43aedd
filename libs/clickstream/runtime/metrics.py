"""CloudWatch metrics in its embedded format: a line of JSON in the log, of which CloudWatch makes metrics."""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from clickstream.runtime.counts import RowCounts

NAMESPACE = "Clickstream"


class BatchMetadata(Protocol):
    """What is known of a stream's batch without its rows."""

    @property
    def began(self) -> float:
        """Unix seconds."""

    @property
    def batch_interval_seconds(self) -> int:
        """From one batch to the next."""

    @property
    def snapshot_properties(self) -> Mapping[str, str]:
        """The query and the number of the batch."""


def emit_batch(job: str, batch: BatchMetadata, counts: RowCounts, first_arrival: datetime | None) -> None:
    """Print what became of a batch; its end-to-end latency runs from its first arrival until readers see its rows."""
    ended = time.time()
    duration = ended - batch.began
    latency = ended - first_arrival.timestamp() if first_arrival else 0
    metrics = {
        "Read": (counts.read, "Count"),
        "Written": (counts.written, "Count"),
        "Duplicate": (counts.duplicate, "Count"),
        "Conflict": (counts.beside.get("conflict", 0), "Count"),
        "Quarantined": (counts.quarantined, "Count"),
        "Unprocessable": (counts.quarantined_by_reason.get("unprocessable", 0), "Count"),
        "BatchDuration": (round(duration, 3), "Seconds"),
        "BatchUtilization": (round(100 * duration / batch.batch_interval_seconds, 1), "Percent"),
        "EndToEndLatency": (round(latency, 3), "Seconds"),
    }
    defined = [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()]
    line = {
        "_aws": {
            "Timestamp": int(ended * 1000),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Job"]], "Metrics": defined}],
        },
        "Job": job,
        **{name: value for name, (value, _) in metrics.items()},
        **batch.snapshot_properties,
        "quarantined_by_reason": dict(counts.quarantined_by_reason),
    }
    print(json.dumps(line), flush=True)
