"""Fill the table ``events`` of a lake with those of another, every fifth of them by one user.

Run as ``python -m tools.bench.busy_user FROM TO``: a process of its own, as everything that is metered.
"""

import sys
from pathlib import Path

from pyspark.sql import functions as F

from clickstream import schemas
from local import lake


def main(events: Path, out: Path) -> None:
    """Read, replace, write."""
    spark = lake.session(out)
    is_fifth = F.pmod(F.hash("event_uuid"), F.lit(5)) == 0
    busy = (
        spark.read
        .schema(schemas.EVENTS)
        .parquet(f"{events}/events/data")
        .withColumn("user_id", F.when(is_fifth, F.lit("u0")).otherwise(F.col("user_id")))
        .sort(*schemas.EVENTS_PARTITIONS)
    )
    busy.select(*schemas.EVENTS.names).writeTo("events").append()
    spark.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
