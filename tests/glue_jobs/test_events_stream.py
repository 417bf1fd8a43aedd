"""A stream -> the events table: each record once, wherever a run ends and however it goes on."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from streamed import NOON, Streamed, fails_for
from trial import event

import events_stream
from clickstream import errors
from clickstream.runtime.arguments import Folder, Table
from clickstream.sources import kinesis, unprocessable
from clickstream.storage import iceberg, quarantine
from clickstream.transforms import events

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/events"


class Events(Streamed):
    """The job on a stream of one trial."""

    def arguments(self, **arguments) -> events_stream.Arguments:
        given = {
            "stream_arn": ARN,
            "events_table": Table(self.trial.events_table),
            "quarantine_table": Table(self.trial.quarantine_table),
            "checkpoint_path": Folder(str(self.checkpoint)),
            "trigger": "available_now",
        }
        return events_stream.Arguments(**given | arguments)

    def run(self, **arguments) -> None:
        """Read what is there."""
        events_stream.main(self.trial.spark, self.arguments(**arguments))

    def uuids(self) -> list[str]:
        return sorted(row["event_uuid"] for row in self.trial.events())


@pytest.fixture
def stream(trial, monkeypatch) -> Events:
    return Events(trial, monkeypatch)


def metrics(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]


def test_records_are_loaded_once_and_counted(stream, capsys):
    stream.put(event("a"), event("a"), event("b") + "\n", "x", "x")
    stream.put(event("b"), event("c", user_id="ada"))
    stream.run()
    assert stream.uuids() == ["a", "b", "c"]
    assert stream.quarantined() == ["x", "x"]
    assert {row["payload"] for row in stream.trial.events()} == {event("a"), event("b"), event("c", user_id="ada")}
    assert {row["arrived_at"] for row in stream.trial.events()} == {"2024-03-17T12:00:00Z"}
    assert {row["origin"] for row in stream.trial.quarantine()} == {"kinesis:events@2024-03-17T12:00:00.000Z"}

    first, second = metrics(capsys)
    assert (first["Read"], first["Written"], first["Duplicate"], first["Quarantined"]) == (5, 2, 1, 2)
    assert (second["Read"], second["Written"], second["Duplicate"], second["Quarantined"]) == (2, 1, 1, 0)
    assert (first["batch"], second["batch"]) == ("0", "1")
    assert first["quarantined_by_reason"] == {"not_a_json_object": 2}
    assert first["EndToEndLatency"] == pytest.approx((datetime.now(UTC) - NOON).total_seconds(), abs=600)
    (defined,) = first["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"] for metric in defined["Metrics"]} <= set(first)
    assert defined["Dimensions"] == [["Job"]]


def test_a_run_goes_on_where_the_last_one_ended(stream, capsys):
    stream.put(event("a"))
    stream.run()
    stream.run()  # <- nothing new
    stream.put(event("b"))
    stream.run()
    assert [line["batch"] for line in metrics(capsys)] == ["0", "1"]
    assert stream.uuids() == ["a", "b"]


def test_a_batch_writes_a_file_for_each_type_and_day(stream):
    stream.put(*[event(f"{number}", f"type_{number % 7}:x") for number in range(500)])
    stream.run()
    assert len(list(Path(stream.trial.events_path).glob("data/**/*.parquet"))) == 7


def test_duplicates_are_looked_for_within_the_lookback_and_merge_removes_the_rest(stream):
    stream.put(event("a"), at=NOON)
    stream.put(event("a"), at=NOON + timedelta(minutes=60))  # <- exactly the lookback
    stream.run()
    assert stream.uuids() == ["a"]
    stream.put(event("a"), at=NOON + timedelta(hours=2))  # <- arrivals are kept to the hour
    stream.run()
    assert stream.uuids() == ["a", "a"]

    stream.trial.send([event("a")], "arrived=2024-03-17/12/a.json")
    stream.trial.events_batch()
    assert [row["arrived_at"] for row in stream.trial.events()] == ["2024-03-17T12:00:00Z"]


def test_a_merge_of_the_archive_leaves_what_the_stream_wrote(stream):
    stream.put(event("a"), event("b"), at=NOON + timedelta(minutes=34, seconds=56))
    stream.run()
    rows = stream.trial.events()
    stream.trial.send([event("a"), event("b")], "arrived=2024-03-17/12/a.json")
    counts = stream.trial.events_batch()
    assert (counts["written"], counts["replaced"], counts["duplicate"]) == (0, 0, 2)
    assert stream.trial.events() == rows


def test_an_earlier_record_read_later_takes_the_place(stream):
    stream.put(event("a", note="later"), at=NOON + timedelta(hours=1))
    stream.put(event("a", note="earlier"), at=NOON)  # <- from a shard that is behind
    stream.run()
    assert [row["payload"] for row in stream.trial.events()] == [event("a", note="earlier")]


def test_a_batch_that_is_read_again_adds_what_it_lacks(spark, stream, capsys):
    stream.put(event("a"), event("b"), "x")
    stream.run()
    rows, quarantined = stream.trial.events(), stream.trial.quarantine()
    capsys.readouterr()
    for table in (stream.trial.events_table, stream.trial.quarantine_table):
        stream.trial.rewrite(table)
        stream.trial.expire(table)
    stream.forget(0)
    stream.run()
    assert [(line["Written"], line["Duplicate"]) for line in metrics(capsys)] == [(0, 2)]
    assert (stream.trial.events(), stream.trial.quarantine()) == (rows, quarantined)

    stream.forget(0)
    stream.put(event("a"), event("b"), "x", event("c"), "y", again=0)  # <- Glue reads on from where the batch began
    stream.run()
    assert (stream.uuids(), stream.quarantined()) == (["a", "b", "c"], ["x", "y"])

    snapshots = spark.table(f"{stream.trial.events_table}.snapshots")
    batches = snapshots.selectExpr("summary['clickstream.batch']").distinct()
    assert {row[0] for row in batches.collect()} == {None, "0"}


def test_what_a_batch_lacks_that_is_read_again_comes_with_the_next_one(stream):
    stream.put(event("a"), event("b"), "x")
    stream.run()
    stream.forget(0)
    stream.put(event("a"), again=0)
    stream.put(event("b"), "x", event("c"))
    stream.put()
    stream.run()
    assert (stream.uuids(), stream.quarantined()) == (["a", "b", "c"], ["x"])


def test_a_run_that_ends_between_events_and_quarantine_is_completed(stream, monkeypatch):
    stream.put(event("a"), "x", "y")

    def no_space(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as full:
        full.setattr(quarantine, "add", no_space)
        with pytest.raises(errors.StreamError, match="No space left on device"):
            stream.run()
    assert (stream.uuids(), stream.quarantined()) == (["a"], [])
    stream.run()
    assert (stream.uuids(), stream.quarantined()) == (["a"], ["x", "y"])


@pytest.mark.parametrize("log", ["offsets", "commits"])
def test_a_corrupt_checkpoint_is_named(stream, log):
    stream.put(event("a"))
    stream.run()
    corrupt = stream.checkpoint / log / "0"
    corrupt.write_bytes(b"")
    corrupt.with_name(".0.crc").unlink()
    stream.put(event("b"))
    with pytest.raises(errors.StreamError, match=f"/{log}/0"):
        stream.run()


def test_without_a_checkpoint_nothing_is_doubled(stream):
    for hour in range(3):
        stream.put(event("a"), event(f"b{hour}"), f"x{hour}", at=NOON + timedelta(hours=2 * hour))
    stream.run()
    rows, quarantined = stream.trial.events(), stream.trial.quarantine()
    shutil.rmtree(stream.checkpoint)
    stream.run()
    assert (stream.trial.events(), stream.trial.quarantine()) == (rows, quarantined)


def test_a_batch_that_another_writer_overtakes_is_tried_again(stream, monkeypatch, caplog):
    stream.put(event("stream"))
    archived = stream.trial.send([event("archive"), event("stream", note="as early")], "arrived=2024-03-17/12/a.json")
    publish = iceberg.Branch.publish

    def overtaken(branch):
        monkeypatch.setattr(iceberg.Branch, "publish", publish)
        stream.trial.events_batch(raw_path=str(archived))
        publish(branch)

    monkeypatch.setattr(kinesis, "RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(iceberg.Branch, "publish", overtaken)
    stream.run()
    (warning,) = [record for record in caplog.records if record.name == "clickstream.sources.kinesis"]
    assert warning.getMessage() == "batch 0 failed and is tried again in 0.01 s"
    assert "was written to by another run meanwhile" in str(warning.exc_info[1])
    assert stream.uuids() == ["archive", "stream"]


def test_a_batch_that_cannot_pass_is_not_tried_again(spark, stream, monkeypatch):
    stream.put("x")
    attempts = []

    def mistake(batch):
        attempts.append(batch.number)
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(kinesis, "RETRY_SECONDS", (0.01,))
    with pytest.raises(errors.StreamError, match="a mistake of ours"):
        kinesis.run_batches(kinesis.read_records(spark, stream.arguments()), stream.arguments(), mistake, lambda _: ())
    assert attempts == [0]


@pytest.fixture
def defect(monkeypatch):
    """Make the code fail for the event `b`, where it writes it."""
    to_table = events.to_table
    monkeypatch.setattr(
        events, "to_table", lambda rows: to_table(rows.withColumn("event_uuid", fails_for(F.col("event_uuid"), "b")))
    )


@pytest.mark.slow
@pytest.mark.usefixtures("defect")
def test_a_record_that_cannot_be_processed_is_quarantined_and_the_stream_goes_on(stream, capsys):
    stream.put(event("a1"), event("a2"), event("b"), event("b"), event("b", note="again"), event("a3"), "x")
    stream.put(event("c"))
    stream.run()
    rows, quarantined = stream.trial.events(), stream.trial.quarantine()
    assert stream.uuids() == ["a1", "a2", "a3", "c"]
    assert stream.quarantined() == sorted([event("b"), event("b"), event("b", note="again"), "x"])
    ((reason, error),) = {tuple(row["reasons"]) for row in quarantined if row["raw"] != "x"}
    assert reason == "unprocessable"
    assert "cannot process b" in error
    first, second = metrics(capsys)
    assert (first["Read"], first["Written"], first["Quarantined"], first["Unprocessable"]) == (7, 3, 4, 3)
    assert (second["Read"], second["Written"], second["Quarantined"], second["Unprocessable"]) == (1, 1, 0, 0)

    stream.forget(1)
    stream.put(event("c"), event("b", note="third"), again=1)  # <- read again, and with such a record
    stream.run()
    assert stream.trial.events() == rows
    assert len(stream.quarantined()) == 5


def test_a_defect_that_every_record_shows_fails_the_run(stream, monkeypatch):
    monkeypatch.setattr(unprocessable, "MOST", 2)
    monkeypatch.setattr(events, "to_table", lambda rows: rows.withColumn("event_uuid", F.raise_error(F.lit("broken"))))
    stream.put(event("a"), event("b"), event("c"))
    with pytest.raises(errors.StreamError, match="broken"):
        stream.run()
    assert (stream.uuids(), stream.quarantined()) == ([], [])


def test_a_failure_that_does_not_come_again_fails_the_run_and_no_record(stream, monkeypatch):
    to_table, calls = events.to_table, []

    def once(rows):
        calls.append(rows)
        return to_table(rows) if len(calls) > 1 else rows.select(F.raise_error(F.lit("once")).alias("event_uuid"))

    monkeypatch.setattr(events, "to_table", once)
    stream.put(event("a"))
    with pytest.raises(errors.StreamError, match="once"):
        stream.run()
    stream.run()
    assert (stream.uuids(), stream.quarantined()) == (["a"], [])


def test_batches_are_planned_adaptively(spark, stream):
    stream.put("x")
    lines = kinesis.read_records(spark, stream.arguments())
    adaptive = []
    kinesis.run_batches(
        lines,
        stream.arguments(),
        lambda batch: adaptive.append(batch.lines.sparkSession.conf.get("spark.sql.adaptive.enabled")),
        lambda _: (),
    )
    assert adaptive == ["true"]


def test_an_empty_batch_is_a_batch_of_nothing(stream, capsys):
    stream.put()
    stream.run()
    (line,) = metrics(capsys)
    assert (line["Read"], line["Written"], line["EndToEndLatency"]) == (0, 0, 0)
    assert stream.uuids() == []


def test_what_is_wrong_with_the_table_is_said_before_anything_is_read(stream):
    with pytest.raises(errors.TableError, match="nowhere does not exist"):
        stream.run(events_table=Table("nowhere"))
    for table in ("events", "quarantine"):
        with pytest.raises(errors.ArgumentError, match=f"--checkpoint_path .* lies in --{table}_table"):
            stream.run(checkpoint_path=Folder(str(stream.trial.folder / table / "checkpoint")))
    assert not stream.checkpoint.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "one of --stream_arn and --stream_name is needed, and not both"),
        ({"stream_arn": "a", "stream_name": "b"}, "one of --stream_arn and --stream_name is needed, and not both"),
        ({"stream_name": "b"}, "--stream_name needs --endpoint_url"),
    ],
)
def test_which_stream_is_said_once(arguments, sentence):
    with pytest.raises(errors.ArgumentError, match=f"^{sentence}$"):
        events_stream.Arguments(
            **{"events_table": Table("e"), "quarantine_table": Table("q"), "checkpoint_path": Folder("c")} | arguments
        )
