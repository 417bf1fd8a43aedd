"""Kinesis triggers and Firehose, which moto does not run: they pass a stream's records to a function, as on AWS.

A function is any callable that takes an event and a context. Events and responses are serialized as JSON, as on AWS.
"""

import gzip
import json
import logging
import re
import time
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

Function = Callable[[dict[str, Any], Any], Any]
StreamRecord = Mapping[str, Any]  # as GetRecords returns it
EventRecord = dict[str, Any]  # as in an event of Lambda or Firehose

ACCOUNT = "123456789012"  # moto's
MAX_PAYLOAD_BYTES = 6 * 2**20  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
BUFFER_BYTES = 2**20  # https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html, as is the next
FIREHOSE_RETRIES = 3

logger = logging.getLogger(__name__)


class Context:
    """What a function may ask of its call."""

    def __init__(self, timeout_seconds: float = 60) -> None:
        self.ends = time.monotonic() + timeout_seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left of the function's timeout."""
        return int(1000 * (self.ends - time.monotonic()))


class FunctionError(Exception):
    """The function raised an exception, or its response is invalid."""


def invoke(function: Function, event: dict[str, Any]) -> Any:
    """Call the function as Lambda does."""
    try:
        response = json.dumps(function(json.loads(json.dumps(event)), Context()))
    except Exception as error:
        raise FunctionError(repr(error)) from error
    if len(response) > MAX_PAYLOAD_BYTES:
        raise FunctionError(f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes).")
    return json.loads(response)


class Shards:
    """Reads all shards of a stream from the oldest record on and resumes where it stopped; parents before children."""

    def __init__(self, kinesis: "KinesisClient", stream: str) -> None:
        self.kinesis, self.stream = kinesis, stream
        self.iterators: dict[str, str | None] = {}

    def unread(self, limit: int) -> Iterator[tuple[str, Sequence[StreamRecord]]]:
        """Yield (shard, at most ``limit`` records) until all are read."""
        for shard in sorted(found["ShardId"] for found in self.kinesis.list_shards(StreamName=self.stream)["Shards"]):
            if shard not in self.iterators:
                self.iterators[shard] = self.kinesis.get_shard_iterator(
                    StreamName=self.stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
            while iterator := self.iterators[shard]:
                read = self.kinesis.get_records(ShardIterator=iterator, Limit=limit)
                self.iterators[shard] = read.get("NextShardIterator")
                if read["Records"]:
                    yield shard, read["Records"]
                if not read["MillisBehindLatest"]:
                    break


class Trigger:
    """An event source mapping with ReportBatchItemFailures, and ``retries`` of a batch that makes no progress."""

    def __init__(self, shards: Shards, function: Function, batch_size: int = 100, retries: int = 2) -> None:
        self.shards, self.function = shards, function
        self.batch_size, self.retries = batch_size, retries
        self.discarded: list[EventRecord] = []  # those sent to the dead-letter queue

    def drain(self) -> None:
        """Pass on all records of the stream."""
        for shard, records in self.shards.unread(self.batch_size):
            self.deliver([kinesis_record(self.shards.stream, shard, record) for record in records])

    def deliver(self, records: list[EventRecord]) -> None:
        """Pass on a batch until the function has succeeded or its retries are used up."""
        attempts = 0
        while records and attempts <= self.retries:
            try:
                response = invoke(self.function, {"Records": records})
            except FunctionError:
                logger.info("the function failed and is called again", exc_info=True)
                remaining = records
            else:
                remaining = _from_first_failure(records, response)
            attempts = attempts + 1 if len(remaining) == len(records) else 0
            records = remaining
        self.discarded += records


def kinesis_record(stream: str, shard: str, record: StreamRecord) -> EventRecord:
    """Return a record as in Lambda's event."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/lambda",
        "awsRegion": "us-east-1",
        "eventSourceARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}",
    }


def _from_first_failure(records: list[EventRecord], response: dict[str, Any] | None) -> list[EventRecord]:
    """Return the records to retry: from the lowest reported one on, or all if a reported one is not in the batch."""
    failures = {failure.get("itemIdentifier") for failure in (response or {}).get("batchItemFailures") or []}
    places = [place for place, record in enumerate(records) if record["kinesis"]["sequenceNumber"] in failures]
    if len(places) < len(failures):
        return records
    return records[places[0] :] if places else []


class Firehose:
    """A Firehose stream: from Kinesis through a transformation into S3, gzip.

    ``prefix`` may hold ``!{partitionKeyFromLambda:name}``.
    """

    def __init__(self, shards: Shards, function: Function, s3: "S3Client", bucket: str, prefix: str) -> None:
        self.shards, self.function = shards, function
        self.s3, self.bucket, self.prefix = s3, bucket, prefix
        self.objects = count()

    def drain(self) -> None:
        """Transform and deliver all records of the stream."""
        buffer: list[EventRecord] = []
        size = 0
        for shard, records in self.shards.unread(limit=500):
            for record in records:
                if size + len(record["Data"]) > BUFFER_BYTES:
                    self._deliver(buffer)
                    buffer, size = [], 0
                buffer.append(firehose_record(shard, record))
                size += len(record["Data"])
        if buffer:
            self._deliver(buffer)

    def _deliver(self, records: list[EventRecord]) -> None:
        delivered: dict[str, bytes] = defaultdict(bytes)
        for record, result in zip(records, self._results(records), strict=True):
            if result["result"] == "Ok":
                delivered[self._prefix(result)] += b64decode(result["data"], validate=True)
            elif result["result"] != "Dropped":
                failed = {
                    "errorCode": result.get("errorCode", "Lambda.ProcessingFailedStatus"),
                    "rawData": record["data"],
                }
                delivered["failed/processing-failed/"] += json.dumps(failed).encode() + b"\n"
        for prefix, text in delivered.items():
            self.s3.put_object(Bucket=self.bucket, Key=f"{prefix}{next(self.objects):06}.gz", Body=gzip.compress(text))

    def _prefix(self, result: dict[str, Any]) -> str:
        keys = result.get("metadata", {}).get("partitionKeys", {})
        return re.sub(r"!\{partitionKeyFromLambda:(\w+)\}", lambda name: keys[name[1]], self.prefix)

    def _results(self, records: list[EventRecord]) -> list[dict[str, Any]]:
        """Return one result per record, as Firehose reads the function's response."""
        event = {
            "invocationId": "local",
            "deliveryStreamArn": f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{self.shards.stream}",
            "sourceKinesisStreamArn": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{self.shards.stream}",
            "region": "us-east-1",
            "records": records,
        }
        for _ in range(1 + FIREHOSE_RETRIES):
            try:
                results = invoke(self.function, event)["records"]
            except FunctionError:
                logger.info("the function failed and is called again", exc_info=True)
                continue
            by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for result in results:
                by_id[result["recordId"]].append(result)
            return [_only(by_id[record["recordId"]]) for record in records]
        return [{"result": "ProcessingFailed", "errorCode": "Lambda.FunctionError"}] * len(records)


def _only(results: list[dict[str, Any]]) -> dict[str, Any]:
    if len(results) == 1:
        return results[0]
    return {"result": "ProcessingFailed", "errorCode": f"Lambda.{'Duplicated' if results else 'Missing'}RecordId"}


def firehose_record(shard: str, record: StreamRecord) -> EventRecord:
    """Return a record as in Firehose's event."""
    arrived = int(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
    return {
        "recordId": f"{record['SequenceNumber']}000000",
        "approximateArrivalTimestamp": arrived,
        "data": b64encode(record["Data"]).decode(),
        "kinesisRecordMetadata": {
            "sequenceNumber": record["SequenceNumber"],
            "subsequenceNumber": 0,
            "partitionKey": record["PartitionKey"],
            "shardId": shard,
            "approximateArrivalTimestamp": arrived,
        },
    }
