"""The one door to awsglue: a job's session, and the options it was started with."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import GlueArgumentError, getResolvedOptions
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from clickstream import errors
from clickstream.runtime.arguments import KINDS, Folder, glue_words

FILE_BYTES = 512 * 1024 * 1024  # the most that one file is meant to hold; of shuffled rows, 128-512 MB as zstd Parquet
TEMP_DIR = "spark.clickstream.tempDir"  # the setting of a session that holds --TempDir
NO_TEMP_DIR = "--TempDir missing; the job needs a folder for the rows that it materializes, such as s3://bucket/tmp"
# The last two keep a plan that turns out empty as it was: cut short, it would never report what it has counted.
SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # the default, INT96, has no statistics in Athena
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # as Spark 4: quarantined rows may hold ancient times
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": str(FILE_BYTES),  # of shuffled rows
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PropagateEmptyRelation",
    "spark.sql.adaptive.optimizer.excludedRules": ("org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"),
}


@contextmanager
def glue_session(argv: Sequence[str]) -> Iterator[SparkSession]:
    """Give the job's session; commit the Glue job only when the body ends without an exception."""
    configure_logging()
    options = resolve_options(argv)
    glue = GlueContext(SparkContext.getOrCreate())
    job = Job(glue)
    job.init(options["JOB_NAME"], options)
    spark = glue.spark_session
    for name, value in SESSION_SETTINGS.items():
        spark.conf.set(name, value)
    spark.conf.set(TEMP_DIR, options["TempDir"])
    yield spark
    job.commit()


def configure_logging() -> None:
    """Log to standard error from INFO on, unless logging is configured already."""
    if logging.getLogger().handlers:
        return
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("botocore", "py4j"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def temp_dir(spark: SparkSession) -> str:
    """Return the folder for rows that a run materializes, without a slash at its end."""
    folder = spark.conf.get(TEMP_DIR, None)
    if not folder:
        raise errors.ArgumentError(NO_TEMP_DIR)
    return folder.rstrip("/")


def read_kinesis(spark: SparkSession, options: Mapping[str, str]) -> DataFrame:
    """Read a stream through Glue's connection, with its options."""
    reader = GlueContext(spark.sparkContext).create_data_frame
    records: DataFrame = reader.from_options(connection_type="kinesis", connection_options=dict(options))
    return records


def resolve_options(argv: Sequence[str]) -> dict[str, Any]:
    """Read Glue's own options; raise ``ArgumentError`` where ``JOB_NAME`` or a usable ``TempDir`` is missing."""
    try:
        options: dict[str, Any] = getResolvedOptions([argv[0], *glue_words(argv[1:])], ["JOB_NAME", "TempDir"])
    except GlueArgumentError as error:
        raise errors.ArgumentError(str(error)) from error
    if not options["TempDir"]:  # which getResolvedOptions does not require, whatever it is told
        raise errors.ArgumentError(NO_TEMP_DIR)
    try:
        Folder(options["TempDir"])
    except ValueError as error:
        raise errors.ArgumentError(f"--TempDir must be {KINDS[Folder][1]}, not {options['TempDir']!r}") from error
    return options
