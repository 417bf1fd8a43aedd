"""Stubs of Glue's closed JVM classes, for exactly the calls that our jobs make; unused where the classes exist."""

from typing import Any

from awsglue.context import GlueContext
from awsglue.dataframereader import DataFrameReader
from awsglue.job import Job
from botocore.exceptions import BotoCoreError, ClientError
from py4j.java_gateway import JavaClass
from pyspark.sql import DataFrame, SparkSession, SQLContext

from clickstream.errors import InputError


def install_glue_stubs(spark: SparkSession) -> list[str] | None:
    """Replace what needs Glue's JVM classes; return the list that committed jobs are added to, or None inside Glue."""
    if isinstance(spark._jvm.com.amazonaws.services.glue.GlueContext, JavaClass):  # type: ignore[union-attr]  # noqa: SLF001  # as awsglue does
        return None
    committed: list[str] = []

    def start_context(self: GlueContext, *_: Any, **__: Any) -> None:
        SQLContext.__init__(self, spark.sparkContext, spark)
        self.spark_session = spark
        self._glue_scala_context = _Missing("GlueContext")
        self.create_data_frame = DataFrameReader(self)

    def start_job(self: Job, _: GlueContext) -> None:
        self._job = _Missing("Job")

    def init(self: Job, job_name: str, _: dict[str, str] | None = None) -> None:
        self.name = job_name

    def commit(self: Job) -> None:
        committed.append(self.name)

    def create_data_frame(self: GlueContext, connection: str, options: dict[str, str], *_: Any) -> DataFrame:
        if connection != "kinesis":
            raise NotImplementedError(f"a connection of type {connection} needs Glue itself or its Docker image")
        return _kinesis(self.spark_session, options)

    GlueContext.__init__ = start_context
    GlueContext.create_data_frame_from_options = create_data_frame
    Job.__init__, Job.init, Job.commit = start_job, init, commit
    return committed


def _kinesis(spark: SparkSession, options: dict[str, str]) -> DataFrame:
    """Read what Glue's connection gives with ``inferSchema`` and ``addRecordTimestamp``: the text and its arrival."""
    format_options = {name: options[name] for name in ("classification", "inferSchema", "addRecordTimestamp")}
    if format_options != {"classification": "json", "inferSchema": "true", "addRecordTimestamp": "true"}:
        raise NotImplementedError(f"a stream read with {format_options} needs Glue itself")
    if spark.version.startswith("3."):
        raise NotImplementedError("Spark 3.5 has no data sources in Python, and no Kinesis without Glue; use .venv")
    from local.kinesis_source import KinesisDataSource, Options, StreamClient  # noqa: PLC0415

    spark.dataSource.register(KinesisDataSource)
    ignored = {*format_options, "emitConsumerLagMetrics"}
    connection = {name: text for name, text in options.items() if name not in ignored}
    try:
        StreamClient.connect(Options.parse(connection)).parents_per_shard()
    except (BotoCoreError, ClientError, ValueError) as error:
        raise InputError(f"stream {connection.get('streamName', connection.get('streamARN'))}: {error}") from error
    records = spark.readStream.format("kinesis").options(**connection).load()
    return records.selectExpr(
        "cast(data as string) as `$json$data_infer_schema$_temporary$`",
        "approximateArrivalTimestamp as __src_timestamp",
    )


class _Missing:
    """Stands for a JVM object; any use raises an error that names the call."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, call: str) -> Any:
        raise NotImplementedError(
            f"{self._name}.{call} needs Glue itself or its Docker image; python -m local does not have it"
        )
