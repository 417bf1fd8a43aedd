"""A Kinesis stream whose shards can be split and merged."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

PutRecord = dict[str, Any]  # an entry of PutRecords
RECORDS_PER_PUT = 500  # the most; docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html


class KinesisStream:
    """A stream of its own; shards are listed in the order of their hash keys."""

    def __init__(self, client: "KinesisClient", shards: int = 2) -> None:
        self.client = client
        self.name = f"events-{uuid4().hex}"
        client.create_stream(StreamName=self.name, ShardCount=shards)

    def put(self, records: Sequence[PutRecord]) -> None:
        """Put records; they are stored when this returns."""
        for first in range(0, len(records), RECORDS_PER_PUT):
            entries: Any = records[first : first + RECORDS_PER_PUT]
            response = self.client.put_records(StreamName=self.name, Records=entries)
            if response["FailedRecordCount"]:
                raise RuntimeError(f"{response['FailedRecordCount']} records failed")

    def shards(self, *, are_open: bool = True) -> list[str]:
        """List the open shards, or the closed ones."""
        return [
            shard["ShardId"]
            for shard in sorted(self._listed(), key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
            if ("EndingSequenceNumber" not in shard["SequenceNumberRange"]) == are_open
        ]

    def split(self, shard: str) -> None:
        """Split a shard into halves."""
        keys = {shard["ShardId"]: shard["HashKeyRange"] for shard in self._listed()}[shard]
        middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
        self.client.split_shard(StreamName=self.name, ShardToSplit=shard, NewStartingHashKey=str(middle))

    def merge(self, shard: str, neighbour: str) -> None:
        self.client.merge_shards(StreamName=self.name, ShardToMerge=shard, AdjacentShardToMerge=neighbour)

    def _listed(self) -> list[Any]:
        return list(self.client.list_shards(StreamName=self.name)["Shards"])
