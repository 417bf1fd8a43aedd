"""A lake in a bucket of the local AWS: S3A, and Iceberg on the Glue catalog, with the ``--conf`` of a Glue job.

Its tables are those that Athena's DDL has made in the catalog. Endpoint and credentials are those of the environment,
as ``python -m local aws`` prints them.
"""

import os
from collections.abc import Sequence
from itertools import pairwise

import pyspark
from pyspark.sql import SparkSession

from deploy import jobs
from deploy.account import DATABASE
from local import jars, lake, lake_bucket

CATALOG = f"glue_catalog.{DATABASE}"
S3A = {  # what s3:// is in Glue 6.0
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
}


def session(bucket: str, conf: str | None = None) -> SparkSession:
    """Start Spark as a Glue job does, with its ``--conf`` or else that of every job of ours."""
    if pyspark.__version__.startswith("3."):
        raise NotImplementedError("a lake on s3:// needs Spark 4.1; use .venv")
    lake_bucket.endpoint(bucket)
    pairs = (conf or jobs.spark_conf(bucket, os.environ["AWS_REGION"])).split(" --conf ")
    class_path = ":".join(str(jar) for jar in [*jars.fetch_for_s3(), *jars.fetch_for_spark()])
    return lake.start_spark({
        **dict(pair.split("=", 1) for pair in pairs),
        **S3A,
        "spark.driver.extraClassPath": class_path,
    })


def conf_of(arguments: Sequence[str]) -> str | None:
    """Return the ``--conf`` among a job's arguments."""
    return next((value for name, value in pairwise(arguments) if name == "--conf"), None)
