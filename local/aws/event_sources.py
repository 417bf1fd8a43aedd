"""Kinesis triggers and Firehose, which moto does not run: they hand what is in a stream to a function as AWS would.

A function is anything that takes an event and a context and answers; what it is given and what it answers go through
JSON, as they do on AWS.
"""

import gzip
import json
import re
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

Function = Callable[[dict[str, Any], object], Any]
Record = dict[str, Any]

ACCOUNT = "123456789012"  # moto's
MAX_PAYLOAD_BYTES = 6 * 2**20  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
BUFFER_BYTES = 2**20  # https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html, as is the next
FIREHOSE_RETRIES = 3


class FunctionError(Exception):
    """The function raised, or its answer is none."""


def invoke(function: Function, event: dict[str, Any]) -> Any:
    """Call the function as Lambda does."""
    try:
        answer = json.dumps(function(json.loads(json.dumps(event)), None))
    except Exception as error:
        raise FunctionError(repr(error)) from error
    if len(answer) > MAX_PAYLOAD_BYTES:
        raise FunctionError(f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes).")
    return json.loads(answer)


class Shards:
    """A reader of all shards of a stream that goes on where it stopped; parents come before their children."""

    def __init__(self, kinesis: Any, stream: str) -> None:
        """Begin at the oldest record."""
        self.kinesis, self.stream = kinesis, stream
        self.iterators: dict[str, str | None] = {}

    def unread(self, limit: int) -> Iterator[tuple[str, list[Record]]]:
        """Give (shard, at most so many records) until nothing is left."""
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
    """An event source mapping with ReportBatchItemFailures."""

    def __init__(self, shards: Shards, function: Function, batch_size: int = 100, retries: int = 2) -> None:
        """Prepare; ``retries`` of a batch that gets no further."""
        self.shards, self.function = shards, function
        self.batch_size, self.retries = batch_size, retries
        self.discarded: list[Record] = []  # what went to the destination for failures

    def drain(self) -> None:
        """Hand over all that is in the stream."""
        for shard, records in self.shards.unread(self.batch_size):
            self.deliver([kinesis_record(self.shards.stream, shard, record) for record in records])

    def deliver(self, records: list[Record]) -> None:
        """Hand over a batch until it is done with or given up."""
        attempts = 0
        while records and attempts <= self.retries:
            try:
                answer = invoke(self.function, {"Records": records})
            except FunctionError:
                again = records
            else:
                again = _from_first_failure(records, answer)
            attempts = attempts + 1 if len(again) == len(records) else 0
            records = again
        self.discarded += records


def kinesis_record(stream: str, shard: str, record: Record) -> Record:
    """Write a record as Lambda's event has it."""
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


def _from_first_failure(records: list[Record], answer: dict[str, Any] | None) -> list[Record]:
    """Give what has to come again: all from the lowest sequence number on, all if one is not of the batch."""
    failures = {failure.get("itemIdentifier") for failure in (answer or {}).get("batchItemFailures") or []}
    places = [place for place, record in enumerate(records) if record["kinesis"]["sequenceNumber"] in failures]
    if len(places) < len(failures):
        return records
    return records[places[0] :] if places else []


class Firehose:
    """A Firehose stream: from Kinesis through a transformation into S3, gzip."""

    def __init__(self, shards: Shards, function: Function, s3: Any, bucket: str, prefix: str) -> None:
        """Prepare; ``prefix`` may hold ``!{partitionKeyFromLambda:name}``."""
        self.shards, self.function = shards, function
        self.s3, self.bucket, self.prefix = s3, bucket, prefix
        self.objects = count()

    def drain(self) -> None:
        """Hand over and deliver all that is in the stream."""
        buffer: list[Record] = []
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

    def _deliver(self, records: list[Record]) -> None:
        delivered: dict[str, bytes] = defaultdict(bytes)
        for record, answer in zip(records, self._answers(records), strict=True):
            if answer["result"] == "Ok":
                delivered[self._prefix(answer)] += b64decode(answer["data"], validate=True)
            elif answer["result"] != "Dropped":
                failed = {
                    "errorCode": answer.get("errorCode", "Lambda.ProcessingFailedStatus"),
                    "rawData": record["data"],
                }
                delivered["failed/processing-failed/"] += json.dumps(failed).encode() + b"\n"
        for prefix, text in delivered.items():
            self.s3.put_object(Bucket=self.bucket, Key=f"{prefix}{next(self.objects):06}.gz", Body=gzip.compress(text))

    def _prefix(self, answer: dict[str, Any]) -> str:
        keys = answer.get("metadata", {}).get("partitionKeys", {})
        return re.sub(r"!\{partitionKeyFromLambda:(\w+)\}", lambda name: keys[name[1]], self.prefix)

    def _answers(self, records: list[Record]) -> list[dict[str, Any]]:
        """Give one answer a record, as Firehose takes the function's."""
        event = {
            "invocationId": "local",
            "deliveryStreamArn": f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{self.shards.stream}",
            "sourceKinesisStreamArn": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{self.shards.stream}",
            "region": "us-east-1",
            "records": records,
        }
        for _ in range(1 + FIREHOSE_RETRIES):
            try:
                answers = invoke(self.function, event)["records"]
            except FunctionError:
                continue
            by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for answer in answers:
                by_id[answer["recordId"]].append(answer)
            return [_only(by_id[record["recordId"]]) for record in records]
        return [{"result": "ProcessingFailed", "errorCode": "Lambda.FunctionError"}] * len(records)


def _only(answers: list[dict[str, Any]]) -> dict[str, Any]:
    if len(answers) == 1:
        return answers[0]
    return {"result": "ProcessingFailed", "errorCode": f"Lambda.{'Duplicated' if answers else 'Missing'}RecordId"}


def firehose_record(shard: str, record: Record) -> Record:
    """Write a record as Firehose's event has it."""
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
