"""Kinesis as the source of a job: what such a job is started with, its records, and its batches.

docs/decisions/0010-plain-foreachbatch.md says why by Spark's own foreachBatch.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.runtime import glue
from clickstream.runtime.arguments import LARGEST_INT, AtMost, Folder, PositiveInt, StartingPosition
from clickstream.sources import unprocessable
from clickstream.transforms import json_records

ARRIVED = "__src_timestamp"  # what the connection calls the time at which a record arrived
# A shard takes in 1,000 records and 1 MB a second, and gives 2 MB: service-sizes-and-limits.html of its guide,
# https://docs.aws.amazon.com/streams/latest/dev/ . So whatever arrived within a time is read within half of it.
RECORDS_PER_SECOND, READS_FASTER = 1000, 2
DRAIN_SECONDS = 1800  # that a run of available_now may read for, an hour's records; the rest of its time is to process
RETRY_SECONDS = (1, 2, 5)  # before a batch is tried again; then the run fails
MAY_PASS = (errors.ConcurrentCommitError, errors.PutError, BotoCoreError, ClientError, OSError, Py4JError)
QUERY_ID = "sql.streaming.queryId"  # a property of the thread that Spark runs a batch in


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StreamArguments:
    """What a job that reads a stream is started with."""

    checkpoint_path: Annotated[Folder, "where the stream's position is kept"]
    stream_arn: Annotated[str, "which stream"] = ""
    stream_name: Annotated[str, "instead of the ARN, with --endpoint_url"] = ""
    endpoint_url: Annotated[str, "of another Kinesis, such as the local one"] = ""
    starting_position: Annotated[StartingPosition, "where there is no checkpoint"] = StartingPosition("trim_horizon")
    trigger: Annotated[Literal["continuous", "available_now"], "batches for ever, or what is there"] = "continuous"
    batch_interval_seconds: Annotated[PositiveInt, AtMost(86_400), "from one batch to the next"] = PositiveInt(900)

    def __post_init__(self) -> None:
        if bool(self.stream_arn) == bool(self.stream_name):
            raise errors.ArgumentError("one of --stream_arn and --stream_name is needed, and not both")
        if self.stream_name and not self.endpoint_url:
            raise errors.ArgumentError("--stream_name needs --endpoint_url")

    def connection(self) -> dict[str, str]:
        """Say which stream, in the options of Glue's connection."""
        named = {"streamARN": self.stream_arn, "streamName": self.stream_name, "endpointUrl": self.endpoint_url}
        return {option: value for option, value in named.items() if value}


@dataclass(frozen=True)
class Batch:
    """Records that are processed together, and again together if that fails: ``schemas.RAW_LINE``."""

    lines: DataFrame
    query: str  # the checkpoint's own id
    number: int
    batch_interval_seconds: int
    began: float  # Unix s
    unprocessable: DataFrame | None = None  # records that are none of the lines, with reasons

    @property
    def name(self) -> str:
        """The same in each attempt, and no other batch's."""
        return f"{self.query}/{self.number}"

    @property
    def snapshot_properties(self) -> dict[str, str]:
        """What a table's snapshot says of it."""
        return {"query": self.query, "batch": str(self.number)}

    def with_unprocessable(self, validated: DataFrame) -> DataFrame:
        """Add the records that cannot be processed to the validated lines."""
        if self.unprocessable is None:
            return validated
        return validated.unionByName(self.unprocessable, allowMissingColumns=True)


def read_records(spark: SparkSession, arguments: StreamArguments) -> DataFrame:
    """Read a stream as ``schemas.RAW_LINE``, the lines of its records.

    Records that are alike and arrived at the same millisecond have one origin.
    """
    options = {
        **arguments.connection(),
        "startingPosition": arguments.starting_position,
        "classification": "json",
        "inferSchema": "true",  # gives the record as one text; a schema would give its fields, and lose the rest
        "addRecordTimestamp": "true",
        "emitConsumerLagMetrics": "true",
        "failOnDataLoss": "true",  # records that the stream no longer keeps are missed, and not in silence
        **fetch_limits(arguments),
    }
    given = glue.read_kinesis(spark, options)
    (text,) = (name for name in given.columns if name != ARRIVED)  # its name differs between versions of Glue
    name = arguments.stream_name or arguments.stream_arn.rpartition("/")[2]
    arrived = F.date_format(ARRIVED, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
    records = given.select(
        F.col(f"`{text}`").alias("raw"),
        F.concat(F.lit(f"kinesis:{name}@"), arrived).alias("origin"),
        F.col(ARRIVED).cast("timestamp").alias("arrived_at"),
    )
    return records.transform(json_records.split_records).to(schemas.RAW_LINE)


def fetch_limits(arguments: StreamArguments) -> dict[str, str]:
    """Say how much a batch fetches of a shard, in the options of Glue's connection.

    ``available_now``: all records that there are, for as long as ``DRAIN_SECONDS``: a run is one batch, whatever the
    batch interval. ``continuous``: twice what a shard takes in during an interval, so that a job that is behind catches
    up, within half of the interval. The options: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-connect-kinesis-home.html
    """
    seconds = arguments.batch_interval_seconds
    if arguments.trigger == "available_now":
        records, milliseconds = LARGEST_INT, DRAIN_SECONDS * 1000
    else:
        records, milliseconds = READS_FASTER * RECORDS_PER_SECOND * seconds, seconds * 1000 // READS_FASTER
    return {"maxFetchRecordsPerShard": str(records), "maxFetchTimeInMs": str(milliseconds)}


def run_batches(
    lines: DataFrame,
    arguments: StreamArguments,
    process: Callable[[Batch], None],
    compute: Callable[[Batch], Iterable[DataFrame]],
) -> None:
    """Process batch after batch, until the stream is drained or for ever; raise ``StreamError`` where one fails.

    A batch that is tried again may hold more than before: Glue reads on from where it began. One that fails for its
    data is processed without the records that it fails for; ``compute`` computes what ``process`` writes of a batch.
    """
    failed: list[Exception] = []

    def process_batch(lines: DataFrame, number: int) -> None:
        spark = lines.sparkSession  # the query's own
        spark.conf.set("spark.sql.adaptive.enabled", "true")  # which Spark turns off for the sake of stateful queries
        spark.conf.set("spark.sql.shuffle.partitions", spark.sparkContext.defaultParallelism)  # a batch is small
        query = str(spark.sparkContext.getLocalProperty(QUERY_ID))
        batch = Batch(lines, query, number, arguments.batch_interval_seconds, time.time())
        try:
            _process(batch, process, compute)
        except Exception as error:
            failed.append(error)
            raise

    writer = lines.writeStream.foreachBatch(process_batch)
    writer = writer.option("checkpointLocation", arguments.checkpoint_path)
    if arguments.trigger == "available_now":
        writer = writer.trigger(availableNow=True)
    else:
        writer = writer.trigger(processingTime=f"{arguments.batch_interval_seconds} seconds")
    try:
        writer.start().awaitTermination()
    except StreamingQueryException as error:
        said = re.findall(r"^[\w.]+(?:Error|Exception): .+$", str(error), re.MULTILINE)  # the source's own words
        reason = failed[0] if failed else said[-1] if said else str(error).splitlines()[0]
        raise errors.StreamError(f"the query ended: {reason}") from error


def _process(batch: Batch, process: Callable[[Batch], None], compute: Callable[[Batch], Iterable[DataFrame]]) -> None:
    """Process a batch, at last without the records that it fails for, if it fails for its data."""
    try:
        _process_with_retries(batch, process)
    except Exception as error:
        if not unprocessable.is_of_data(error):
            raise
        logger.warning("batch %d failed; the records that it fails for are looked for", batch.number, exc_info=True)
        found = unprocessable.find(batch.lines, lambda lines: compute(replace(batch, lines=lines)))
        if not found:
            raise
        lines, records = unprocessable.split(batch.lines, found)
        _process_with_retries(replace(batch, lines=lines, unprocessable=records), process)


def _process_with_retries(batch: Batch, process: Callable[[Batch], None]) -> None:
    for wait in (*RETRY_SECONDS, None):
        try:
            process(replace(batch, began=time.time()))
        except Exception as error:
            if wait is None or not isinstance(error, MAY_PASS):
                raise
            logger.warning("batch %d failed and is tried again in %s s", batch.number, wait, exc_info=True)
            time.sleep(wait)
        else:
            return
