"""The floor of ``sessions_batch``: the same rows read, sorted by user and time, written, and nothing more."""

import sys
from datetime import timedelta
from pathlib import Path

from clickstream import schemas
from clickstream.runtime import glue
from clickstream.transforms import activity
from local import lake


def main(made: Path, out: Path) -> None:
    """Read, sort, write."""
    spark = lake.session(made)
    for name, value in glue.SESSION_SETTINGS.items():
        spark.conf.set(name, value)
    taken = activity.from_events(spark.table("events"), "events", timedelta(days=7)).where(activity.IS_TAKEN)
    by_user = taken.select(*schemas.ACTIVITY.names).repartition("user_id")
    in_order = by_user.sortWithinPartitions("user_id", "event_time", "event_uuid")
    in_order.write.parquet(str(out / "session_events"))
    spark.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
