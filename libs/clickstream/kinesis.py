"""Records of a Kinesis stream, as Glue's ``kinesis`` connection gives them."""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import glue, raw, schemas

ARRIVED = "__src_timestamp"  # what the connection calls the time at which a record arrived
RECORDS_PER_SECOND = 1000  # and shard: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html


def read_records(
    spark: SparkSession, stream: Mapping[str, str], starting_position: str, window_seconds: int
) -> DataFrame:
    """Read a stream as ``schemas.RAW_LINE``, a row a record; ``stream`` has its streamARN, or streamName, endpointUrl.

    A batch may hold twice what the shards can take in a window, so that a job that is behind catches up. Records that
    are alike and arrived at the same millisecond have one origin.
    """
    options = {
        **stream,
        "startingPosition": starting_position,
        "classification": "json",
        "inferSchema": "true",  # gives the record as one text; a schema would give its fields, and lose the rest
        "addRecordTimestamp": "true",
        "emitConsumerLagMetrics": "true",
        "maxFetchRecordsPerShard": str(2 * RECORDS_PER_SECOND * window_seconds),
        "maxFetchTimeInMs": str(window_seconds * 1000 // 2),
    }
    records = glue.read_kinesis(spark, options)
    (text,) = (name for name in records.columns if name != ARRIVED)  # its name differs between versions of Glue
    name = stream.get("streamName") or stream["streamARN"].rpartition("/")[2]
    arrived = F.date_format(ARRIVED, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
    return records.select(
        raw.without_line_end(f"`{text}`").alias("raw"),
        F.concat(F.lit(f"kinesis:{name}@"), arrived).alias("origin"),
        F.col(ARRIVED).alias("arrived_at"),
    ).to(schemas.RAW_LINE)
