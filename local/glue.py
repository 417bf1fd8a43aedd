"""Stands in for Glue's closed JVM classes, for exactly the calls that our jobs make; does nothing where they exist."""

from typing import Any

from awsglue.context import GlueContext
from awsglue.job import Job
from py4j.java_gateway import JavaClass
from pyspark.sql import SparkSession, SQLContext


def stand_in(spark: SparkSession) -> list[str] | None:
    """Replace what needs Glue's JVM classes; return a list that committed jobs are added to, None where Glue is."""
    if isinstance(spark._jvm.com.amazonaws.services.glue.GlueContext, JavaClass):  # noqa: SLF001  # as awsglue does
        return None
    committed: list[str] = []

    def start_context(self: GlueContext, *_: Any, **__: Any) -> None:
        SQLContext.__init__(self, spark.sparkContext, spark)
        self.spark_session = spark
        self._glue_scala_context = _Missing("GlueContext")

    def start_job(self: Job, _: GlueContext) -> None:
        self._job = _Missing("Job")

    def init(self: Job, job_name: str, _: dict[str, str] | None = None) -> None:
        self.name = job_name

    def commit(self: Job) -> None:
        committed.append(self.name)

    GlueContext.__init__ = start_context
    Job.__init__, Job.init, Job.commit = start_job, init, commit
    return committed


class _Missing:
    """Where a JVM object would be: using it fails with the name of the call."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, call: str) -> Any:
        raise NotImplementedError(
            f"{self._name}.{call} needs Glue itself or its Docker image; python -m local does not have it"
        )
