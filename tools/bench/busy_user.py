"""Copy the table ``events`` of one lake to another, with every fifth event given to one user.

Run as ``python -m tools.bench.busy_user FROM TO``: its own process, like everything that is metered.
"""

import sys
from pathlib import Path

from pyspark.sql import functions as F

from clickstream import schemas
from local import lake


def main(events: Path, out: Path) -> None:
    """Copy the events of the lake ``events`` to the lake ``out``."""
    spark = lake.session(out)
    is_fifth = F.pmod(F.hash("event_uuid"), F.lit(5)) == 0
    busy = (
        spark.read
        .schema(schemas.EVENTS.columns)
        .parquet(f"{events}/events/data")
        .withColumn("user_id", F.when(is_fifth, F.lit("u0")).otherwise(F.col("user_id")))
        .sort(*schemas.EVENTS.partitions)
    )
    busy.select(*schemas.EVENTS.names).writeTo("events").append()
    spark.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
