"""The stream's job over the local Kinesis: records of every kind, and shards that change between its runs."""

import base64
import gzip
import os
from hashlib import md5

import pytest

pytest.importorskip("pyspark.sql.datasource", reason="Spark 3.5 has no data sources in Python")

from trial import Trial, event

import events_stream
from clickstream.runtime.arguments import Folder, Table
from local import aws
from local.glue_stubs import install_glue_stubs
from tools.chaos.stream import KinesisStream

pytestmark = pytest.mark.single

os.environ.update(aws.environment(""))  # before Spark starts, whose workers read the streams
del os.environ["AWS_ENDPOINT_URL"]
MIB = 2**20
HASH_KEYS = 2**128


def kpl(*records: bytes) -> bytes:
    """Aggregate as the Kinesis Producer Library does (aggregation-format.md of awslabs/amazon-kinesis-producer)."""
    parts = [field(1, b"ada"), *[field(3, b"\x08\x00" + field(3, record)) for record in records]]
    message = b"".join(parts)
    return b"\xf3\x89\x9a\xc2" + message + md5(message, usedforsecurity=False).digest()


def field(number: int, content: bytes) -> bytes:
    """Write a length-delimited field of Protocol Buffers."""
    length, varint = len(content), b""
    while length > 0x7F:
        varint += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + content


class Streamed:
    """A stream of one trial, and the job that reads what is there."""

    def __init__(self, trial: Trial, endpoint: str) -> None:
        self.trial = trial
        self.endpoint = endpoint
        self.stream = KinesisStream(aws.session().client("kinesis", endpoint_url=endpoint))

    def put(self, *records: str | bytes, share: float = 0) -> None:
        """Send records to the shard that holds this share of the hash keys."""
        for record in records:
            place = {"PartitionKey": "ada", "ExplicitHashKey": str(int(HASH_KEYS * share))}
            self.stream.put([{"Data": record} | place])

    def run(self) -> None:
        """Read what is there."""
        given = events_stream.Arguments(
            stream_name=self.stream.name,
            endpoint_url=self.endpoint,
            events_table=Table(self.trial.events_table),
            quarantine_table=Table(self.trial.quarantine_table),
            checkpoint_path=Folder(f"{self.trial.folder}/checkpoint"),
            trigger="available_now",
        )
        events_stream.main(self.trial.spark, given)

    def uuids(self) -> list[str]:
        return sorted(row["event_uuid"] for row in self.trial.events())

    def payloads(self) -> set[str]:
        return {row["payload"] for row in self.trial.events()}


@pytest.fixture
def streamed(spark, trial, endpoint) -> Streamed:
    install_glue_stubs(spark)
    return Streamed(trial, endpoint)


def test_every_malformed_record_is_quarantined_with_its_reasons(streamed):
    malformed = {
        b"GET /healthz HTTP/1.1 200": ["not_a_json_object"],
        b"x" * (MIB - len("ada")): ["not_a_json_object"],  # <- as large as a record can be
        b"": ["empty"],
        event("latin", note="café").encode("latin-1"): ["not_utf8"],
        gzip.compress(event("zipped").encode(), mtime=0): ["not_utf8", "gzip_compressed", "not_a_json_object"],
        kpl(event("first").encode(), event("second").encode()): ["not_utf8", "kpl_aggregated", "not_a_json_object"],
        event("nameless", name="").encode(): ["event_name_missing"],
    }
    streamed.put(event("before"), *malformed, event("after"))
    streamed.run()
    quarantined = {
        base64.b64decode(row["raw"]) if row["is_base64"] else row["raw"].encode(): row["reasons"]
        for row in streamed.trial.quarantine()
    }
    assert quarantined == malformed
    assert streamed.uuids() == ["after", "before"]


def test_an_event_as_large_as_a_record_can_be(streamed):
    frame = event("large", note="")
    large = event("large", note="x" * (MIB - len("ada") - len(frame)))
    streamed.put(large)
    streamed.run()
    assert streamed.payloads() == {large}


def test_fields_that_appear_and_change_their_type_midstream(streamed):
    before = event("a", user_id="7", amount=12.5, items=["A-1"])
    drifted = [
        event("b", user_id="7", amount=12.5, items=["A-1"], coupon={"code": "MAY"}),  # <- a new field
        event("c", user_id=7, amount="12.50", items={"A-1": 1}),  # <- other types
        event("d", at="1710670530.5", user_id=None, amount=None, items=[]),
    ]
    streamed.put(before)
    streamed.run()
    streamed.put(*drifted)
    streamed.run()
    assert streamed.payloads() == {before, *drifted}
    users = {row["event_uuid"]: row["user_id"] for row in streamed.trial.events()}
    assert users == {"a": "7", "b": "7", "c": "7", "d": None}
    assert streamed.trial.quarantine() == []


@pytest.mark.slow
def test_shards_that_are_split_and_merged_between_runs(streamed):
    stream = streamed.stream
    streamed.put(event("first shard"))  # <- and the second is empty
    streamed.run()
    first, second = stream.shards()
    streamed.put(event("closed by a split"))
    streamed.put(event("closed by a merge"), share=0.9)
    stream.split(first)
    left, right, _ = stream.shards()
    stream.merge(right, second)
    streamed.put(event("a child"), "x", event("closed by a split"))  # <- a retry that meets another shard
    streamed.run()
    stream.split(left)  # <- nothing is in its children yet
    streamed.run()
    streamed.put(event("a grandchild"))
    streamed.run()
    closed = ["closed by a merge", "closed by a split", "first shard"]
    assert streamed.uuids() == ["a child", "a grandchild", *closed]
    assert [row["raw"] for row in streamed.trial.quarantine()] == ["x"]
