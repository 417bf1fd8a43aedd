"""Upkeep of an Iceberg table by Iceberg's own procedures; readers see the same rows before and after.

What a run says of itself in its snapshots outlives them (``iceberg.latest_commit``), so all of this may happen between
any two runs. docs/decisions/0019-upkeep-at-any-time.md says what expiry takes, and what not.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import Row, SparkSession

from clickstream import errors
from clickstream.runtime.glue import FILE_BYTES
from clickstream.storage import iceberg

ATTEMPTS = 3  # to compact beside writers that delete rows meanwhile

logger = logging.getLogger(__name__)


def compact(spark: SparkSession, table: str, min_input_files: int, small_file_bytes: int) -> dict[str, int]:
    """Rewrite partitions with many small files, and files with many deletes; count what was rewritten.

    Of a file, 30% of the rows are many, too, by Iceberg's default. Raise ``ConcurrentCommitError`` where writers are
    first again and again; files of a lost attempt are removed.
    """
    options = {
        "target-file-size-bytes": FILE_BYTES,
        "min-file-size-bytes": small_file_bytes,
        "min-input-files": min_input_files,
        "delete-file-threshold": min_input_files,
    }
    given = ", ".join(f"'{name}', '{value}'" for name, value in options.items())
    for attempt in range(ATTEMPTS):
        try:
            (done,) = _call(spark, "rewrite_data_files", table, f"options => map({given})")
        except Py4JJavaError as error:
            if "Cannot commit rewrite" not in str(error):
                raise
            if attempt == ATTEMPTS - 1:
                raise errors.ConcurrentCommitError(
                    f"{table} was written to by others while its files were rewritten; nothing was committed, run again"
                ) from error
            logger.warning("%s was written to while its files were rewritten; trying again", table)
        else:
            break
    return {
        "rewritten_files": done.rewritten_data_files_count,
        "rewritten_bytes": done.rewritten_bytes_count,
        "added_files": done.added_data_files_count,
    }


def expire_snapshots(spark: SparkSession, table: str, older_than: timedelta) -> dict[str, int]:
    """Expire snapshots but the current one, and delete the files that only they have."""
    before = iceberg.snapshots(spark, table)
    (done,) = _call(spark, "expire_snapshots", table, f"{_older_than(older_than)}, retain_last => 1")
    return {
        "expired_snapshots": len(before - iceberg.snapshots(spark, table)),
        "deleted_files": done.deleted_data_files_count + done.deleted_position_delete_files_count,
    }


def remove_orphan_files(spark: SparkSession, table: str, older_than: timedelta) -> dict[str, int]:
    """Delete files in the table's folder that no snapshot has, such as those of killed runs."""
    return {"orphan_files": len(_call(spark, "remove_orphan_files", table, _older_than(older_than)))}


def _older_than(age: timedelta) -> str:
    return f"older_than => timestamp '{datetime.now(UTC) - age:%Y-%m-%d %H:%M:%S}'"


def _call(spark: SparkSession, procedure: str, table: str, arguments: Any) -> list[Row]:
    catalog, _, name = iceberg.full_name(spark, table).partition(".")
    return spark.sql(f"call {catalog}.system.{procedure}(table => '{name}', {arguments})").collect()
