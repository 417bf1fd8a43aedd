"""A quarantined row keeps its text, all its reasons and where it came from."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import base64
from datetime import UTC, datetime, timedelta

from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.storage import quarantine
from clickstream.transforms import json_records
from clickstream.validation import with_reasons

NOW = datetime(2024, 3, 17, 11)


def quarantined(spark, *lines):
    rows = spark.createDataFrame([(line, origin, NOW) for line, origin in lines], schemas.RAW_LINE)
    return quarantine.to_table(rows.withColumn("reasons", F.array(F.lit("empty"))), "events")


def test_a_row_keeps_all_its_reasons_and_an_unknown_condition_is_a_broken_one(spark):
    expected = [
        # n, reasons
        (5, None),
        (11, ["small"]),
        (-1, ["positive"]),
        (None, ["positive", "small"]),  # <- null
    ]
    rows = spark.createDataFrame(expected, "n int, expected array<string>")
    rules = {"positive": F.col("n") > 0, "small": F.col("n") < 10}
    actual = with_reasons(rows, rules).select("n", "reasons").collect()
    assert [tuple(row) for row in actual] == expected


def test_alike_lines_of_one_file_are_rows_of_their_own_with_stable_names(spark):
    lines = [("x", "a.json"), ("x", "a.json"), ("x", "b.json"), ("y", "a.json")]
    first = {row.quarantine_id for row in quarantined(spark, *lines).collect()}
    again = {row.quarantine_id for row in quarantined(spark, *reversed(lines)).collect()}
    assert len(first) == 4
    assert again == first


def test_what_is_not_utf8_comes_back_byte_for_byte(spark):
    sent = [b"caf\xe9", b"\xff" * 300, "größe".encode(), b"plain", b"\xed\xa0\x80", b"\x00", b"\xf4\x90\x80\x80"]
    rows = spark.createDataFrame([(bytearray(line),) for line in sent], "bytes binary")
    lines = rows.selectExpr(
        "cast(bytes as string) as raw", "'a.json' as origin", "timestamp '2024-03-17' as arrived_at"
    )
    rules = {"not_utf8": json_records.rules()["not_utf8"], "never_right": F.lit(False)}
    kept = quarantine.to_table(with_reasons(lines.withColumn("is_object", F.lit(True)), rules), "events")
    texts = kept.select("raw", "is_base64").collect()
    assert {base64.b64decode(row.raw) if row.is_base64 else row.raw.encode() for row in texts} == set(sent)
    assert sum(row.is_base64 for row in texts) == 4
    again = quarantine.as_sent(kept).select(F.col("raw").cast("binary")).collect()
    assert {bytes(row.raw) for row in again} == set(sent)


def test_a_row_is_added_once_and_open_until_it_is_replayed(spark, trial):
    table, every = trial.quarantine_table, F.lit(True)
    quarantine.add(quarantined(spark, ("x", "a.json"), ("y", "a.json")), table, "events")
    quarantine.add(quarantined(spark, ("x", "a.json"), ("z", "a.json")), table, "events")
    assert sorted(row["raw"] for row in trial.quarantine()) == ["x", "y", "z"]

    quarantine.mark_replayed(quarantine.open_rows(spark, table, "events", F.col("raw") == "x"), table)
    assert sorted(row.raw for row in quarantine.open_rows(spark, table, "events", every).collect()) == ["y", "z"]
    assert quarantine.open_rows(spark, table, "clickstream", every).isEmpty()
    (replayed,) = [row for row in trial.quarantine() if row["replayed_at"]]
    assert replayed["raw"] == "x"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(replayed["replayed_at"])) < timedelta(minutes=5)

    quarantine.mark_replayed(spark.createDataFrame([(replayed["quarantine_id"],)], "quarantine_id string"), table)
    assert replayed in trial.quarantine()  # <- the first time stays


def test_rows_are_compared_from_the_first_arrival_on(spark, trial):
    rows = quarantined(spark, ("x", "kinesis:events@2024-03-17T11:00:00.000Z"))
    for _ in range(2):
        quarantine.add(rows, trial.quarantine_table, "events", since=NOW.replace(tzinfo=UTC))
    assert [row["raw"] for row in trial.quarantine()] == ["x"]
