"""One test's own stream: a folder of Parquet files stands for Glue's connection, each file for a batch's records.

The local Kinesis has tests of its own, and Spark 3.5 has none.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from awsglue.context import GlueContext
from pyspark.sql import Column
from pyspark.sql import functions as F
from trial import Trial

from clickstream.sources import kinesis
from local.glue_stubs import install_glue_stubs

NOON = datetime(2024, 3, 17, 12, tzinfo=UTC)
TEXT, ARRIVED = "$json$data_infer_schema$_temporary$", "__src_timestamp"  # as Glue names them
RECORD = pa.schema([(TEXT, pa.binary()), (ARRIVED, pa.timestamp("us", "UTC"))])


class Streamed:
    """Takes records, and gives them to the job of a trial, which is not retried."""

    def __init__(self, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trial = trial
        self.folder = trial.folder / "stream"
        self.folder.mkdir()
        self.checkpoint = trial.folder / "checkpoint"
        self.connected_with: dict[str, str] = {}
        install_glue_stubs(trial.spark)
        monkeypatch.setattr(kinesis, "RETRY_SECONDS", ())
        monkeypatch.setattr(
            GlueContext, "create_data_frame_from_options", lambda _, kind, options, *__: self._connect(kind, options)
        )

    def put(self, *records: str | bytes, at: datetime = NOON, again: int | None = None) -> None:
        """Let records arrive, in a batch of their own; or put them in the place of another's."""
        self.put_arrived([(record, at) for record in records], again)

    def put_arrived(self, records: Sequence[tuple[str | bytes, datetime]], again: int | None = None) -> None:
        """Let records arrive, each at a time of its own."""
        number = len(list(self.folder.glob("*.parquet"))) if again is None else again
        sent = [(record.encode() if isinstance(record, str) else record, at) for record, at in records]
        rows = pa.Table.from_pylist([{TEXT: record, ARRIVED: at} for record, at in sent], RECORD)
        file = self.folder / f"{number:04}.parquet"
        pq.write_table(rows, file)
        os.utime(file, (number, number))  # the order in which they are read

    def forget(self, batch: int) -> None:
        """Take a batch's end out of the checkpoint: a run that was killed before it has not written it."""
        (self.checkpoint / "commits" / str(batch)).unlink()
        (self.checkpoint / "commits" / f".{batch}.crc").unlink()

    def quarantined(self) -> list[str]:
        """Read the texts in the quarantine."""
        return sorted(row["raw"] for row in self.trial.quarantine())

    def _connect(self, kind: str, options: dict[str, str]) -> Any:
        assert kind == "kinesis"
        self.connected_with = options
        schema = f"`{TEXT}` string, {ARRIVED} timestamp"
        in_turn = self.trial.spark.readStream.schema(schema).option("maxFilesPerTrigger", 1)
        return in_turn.parquet(str(self.folder))


def fails_for(column: Column, value: str) -> Column:
    """Give a column that Spark fails to compute where it has that value: a defect that one record shows."""
    return F.when(column == value, F.raise_error(F.concat(F.lit("cannot process "), column))).otherwise(column)


def sent_to(kinesis: Any, stream: str) -> list[dict[str, Any]]:
    """Read the JSON objects in a stream of one shard."""
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    at, found = start["ShardIterator"], []
    while records := (answer := kinesis.get_records(ShardIterator=at))["Records"]:
        found += [json.loads(record["Data"]) for record in records]
        at = answer["NextShardIterator"]
    return found
