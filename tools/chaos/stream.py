"""A Kinesis stream, and what is done to its shards."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

Record = dict[str, Any]  # as PutRecords takes it
RECORDS_A_PUT = 500  # the most; docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html


class Stream:
    """Its open shards are those that records can be put into, in the order of their hash keys."""

    def __init__(self, client: Any, shards: int = 2) -> None:
        """Create it."""
        self.client = client
        self.name = f"events-{uuid4().hex}"
        client.create_stream(StreamName=self.name, ShardCount=shards)

    def put(self, records: Sequence[Record]) -> None:
        """Send records; they are there when this returns."""
        for first in range(0, len(records), RECORDS_A_PUT):
            chunk = records[first : first + RECORDS_A_PUT]
            answer = self.client.put_records(StreamName=self.name, Records=chunk)
            if answer["FailedRecordCount"]:
                raise RuntimeError(f"{answer['FailedRecordCount']} records were refused")

    def shards(self, *, are_open: bool = True) -> list[str]:
        """Name those that are open, or those that are closed."""
        return [
            shard["ShardId"]
            for shard in sorted(self._listed(), key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
            if ("EndingSequenceNumber" not in shard["SequenceNumberRange"]) == are_open
        ]

    def split(self, shard: str) -> None:
        """Cut its hash keys into halves."""
        keys = {shard["ShardId"]: shard["HashKeyRange"] for shard in self._listed()}[shard]
        middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
        self.client.split_shard(StreamName=self.name, ShardToSplit=shard, NewStartingHashKey=str(middle))

    def merge(self, shard: str, neighbour: str) -> None:
        """Make one of two."""
        self.client.merge_shards(StreamName=self.name, ShardToMerge=shard, AdjacentShardToMerge=neighbour)

    def _listed(self) -> list[dict[str, Any]]:
        shards: list[dict[str, Any]] = self.client.list_shards(StreamName=self.name)["Shards"]
        return shards
