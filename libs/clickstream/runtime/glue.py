"""The one door to awsglue: a job's session, and the options it was started with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import GlueArgumentError, getResolvedOptions
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from clickstream import errors

FILE_BYTES = 512 * 1024 * 1024
TEMP_DIR = "spark.clickstream.tempDir"


def temp_dir(spark):
    return spark.conf.get(TEMP_DIR)


# The last two keep a plan that turns out empty as it was: cut short, it would never report what it has counted.
SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # the default, INT96, has no statistics in Athena
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # as Spark 4: refused rows may hold ancient times
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": str(FILE_BYTES),  # of shuffled rows
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PropagateEmptyRelation",
    "spark.sql.adaptive.optimizer.excludedRules": ("org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"),
}


@contextmanager
def glue_session(argv: Sequence[str]) -> Iterator[SparkSession]:
    """Give the job's session; commit the Glue job only when the body ends without an exception."""
    glue = GlueContext(SparkContext.getOrCreate())
    job = Job(glue)
    options = resolve(argv, ["JOB_NAME"])
    job.init(options["JOB_NAME"], options)
    spark = glue.spark_session
    for name, value in SESSION_SETTINGS.items():
        spark.conf.set(name, value)
    yield spark
    job.commit()


def read_kinesis(spark: SparkSession, options: Mapping[str, str]) -> DataFrame:
    """Read a stream through Glue's connection, with its options."""
    reader = GlueContext(spark.sparkContext).create_data_frame
    records: DataFrame = reader.from_options(connection_type="kinesis", connection_options=dict(options))
    return records


def resolve(argv: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Read the named ``--name value`` options, all of them required."""
    try:
        options: dict[str, str] = getResolvedOptions(list(argv), list(names))
    except GlueArgumentError as error:
        raise errors.ArgumentError(str(error)) from error
    return options
