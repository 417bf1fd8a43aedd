"""CloudWatch metrics in its embedded format: a line of JSON in the log, of which CloudWatch makes metrics."""

import json
import time

from clickstream.runtime.counts import Counts
from clickstream.sources.kinesis import Batch

NAMESPACE = "Clickstream"


def emit_batch(job: str, batch: Batch, landed: Counts, first_arrival: int | None) -> None:
    """Print what became of a batch; Lag runs from the arrival of its first record (Unix ms) until it can be read."""
    ended = time.time()
    took = ended - batch.began
    metrics = {
        "Read": (landed.read, "Count"),
        "Written": (landed.written, "Count"),
        "Duplicate": (landed.duplicate, "Count"),
        "Conflict": (landed.conflict, "Count"),
        "Quarantined": (landed.quarantined, "Count"),
        "BatchDuration": (round(took, 3), "Seconds"),
        "BatchUtilization": (round(100 * took / batch.batch_interval_seconds, 1), "Percent"),
        "EndToEndLatency": (round(ended - first_arrival / 1000, 3) if first_arrival else 0, "Seconds"),
    }
    defined = [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()]
    line = {
        "_aws": {
            "Timestamp": int(ended * 1000),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Job"]], "Metrics": defined}],
        },
        "Job": job,
        **{name: value for name, (value, _) in metrics.items()},
        **batch.commit,
        "quarantined_by_reason": landed.quarantined_by_reason,
    }
    print(json.dumps(line), flush=True)
