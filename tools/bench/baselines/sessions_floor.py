"""The floor of ``sessions_batch``: read the same rows, sort them by user and time, write them."""

import sys
from datetime import timedelta
from pathlib import Path

from clickstream import schemas
from clickstream.runtime import glue
from clickstream.storage import iceberg
from clickstream.transforms import activity
from local import lake


def main(lake_path: Path, out: Path) -> None:
    """Write a lake's valid events below ``out``, sorted."""
    spark = lake.session(lake_path)
    for name, value in glue.SESSION_SETTINGS.items():
        spark.conf.set(name, value)
    events = iceberg.read(spark, "events", schemas.EVENTS)
    valid = activity.from_events(events, "events", timedelta(days=7)).where("reasons is null")
    by_user = valid.select(*schemas.ACTIVITY.names).repartition("user_id")
    in_order = by_user.sortWithinPartitions("user_id", "event_time", "event_uuid")
    in_order.write.parquet(str(out / "session_events"))
    spark.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
