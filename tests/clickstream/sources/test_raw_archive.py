"""Lines of the raw archive: when they arrived, and whether each is one JSON object."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import gzip
from datetime import datetime

import pytest

from clickstream import errors, schemas
from clickstream.sources import raw_archive
from clickstream.transforms import json_records
from clickstream.validation import with_reasons

ARRIVED = datetime(2024, 3, 20, 12)  # of a file outside arrived=…, as Trial sends it


@pytest.mark.parametrize(
    ("file", "arrived_at"),
    [
        ("arrived=2024-03-17/10/a.json", datetime(2024, 3, 17, 10)),
        ("arrived=2024-03-17/10/deep/er/a.json", datetime(2024, 3, 17, 10)),
        ("arrived=2024-03-17/a.json", datetime(2024, 3, 17)),
        ("stage=prod/arrived=2024-12-31/23/a.json", datetime(2024, 12, 31, 23)),
        ("arrived=2024-02-30/10/a.json", ARRIVED),  # no such day
        ("arrived=2024-03-17/24/a.json", ARRIVED),  # no such hour
        ("arrived=2024-03-17/part/a.json", ARRIVED),
        ("arrived=yesterday/10/a.json", ARRIVED),
        ("2024/03/17/10/a.json", ARRIVED),
    ],
)
def test_a_line_arrived_when_its_folder_says(spark, trial, file, arrived_at):
    trial.send(["x"], file)
    (line,) = raw_archive.read_lines(spark, str(trial.raw)).collect()
    assert line.arrived_at == arrived_at


def test_lines_end_with_a_line_feed_and_perhaps_a_return_before_it(spark, trial):
    trial.send_bytes("a\r\nb\rc\n\n\r\nd \u2028\u0085 e\nno end".encode(), "text.json")
    trial.send_bytes(gzip.compress(b"zip\r\n") + gzip.compress(b"zap\r\r\n"), "two_members.json.gz")
    lines = raw_archive.read_lines(spark, str(trial.raw))
    assert lines.columns == schemas.RAW_LINE.names
    texts = sorted(row.raw for row in lines.collect())
    assert texts == sorted(["a", "b\rc", "", "", "d \u2028\u0085 e", "no end", "zip", "zap\r"])


def test_a_return_after_what_is_not_utf8_takes_no_byte_with_it(spark, trial):
    trial.send_bytes(b"caf\xe9\r\n\xf0\x9f\r\n\xff\r\n")
    lines = raw_archive.read_lines(spark, str(trial.raw)).selectExpr("cast(raw as binary) as raw").collect()
    assert [bytes(row.raw) for row in lines] == [b"caf\xe9", b"\xf0\x9f", b"\xff"]


def test_a_missing_path_is_an_input_error(spark, tmp_path):
    with pytest.raises(errors.InputError, match=r"--raw_path .*nowhere does not exist"):
        raw_archive.read_lines(spark, str(tmp_path / "nowhere"))


def test_a_pattern_names_some_of_the_days(spark, trial):
    for day in (16, 17, 18):
        trial.send([f"of the {day}th"], f"arrived=2024-03-{day}/10/a.json")
    lines = raw_archive.read_lines(spark, f"{trial.raw}/arrived=2024-03-1[78]").select("raw", "arrived_at").collect()
    assert sorted((row.raw, row.arrived_at.day) for row in lines) == [("of the 17th", 17), ("of the 18th", 18)]


def test_a_line_is_one_object_and_no_more(spark):
    cases = [
        # line, is it one object, its a
        ('{"a":"1"}', True, "1"),
        ('{"a":"1"}  ', True, "1"),
        ('\t {"a" : "1" }', True, "1"),
        ("{}", True, None),
        ("{\t}", True, None),
        ('{"b":{"a":"inner"}}', True, None),
        ('{"a":"}"}', True, "}"),
        ('{"a":"}{"}', True, "}{"),
        ('{"a":"\\""}', True, '"'),
        ('{"a":{"b":[1,2]}}', True, '{"b":[1,2]}'),
        ('{"a":null}', True, None),
        ('{"a":"größe 😀"}', True, "größe 😀"),
        ('{"a":"1"}{"a":"2"}', False, None),  # <- two glued on one line
        ('{"a":"1"} {"a":"2"}', False, None),
        ('{"a":"1"},', False, None),
        ('{"a":"1"}}', False, None),
        ('{{"a":"1"}}', False, None),
        ('{"a":"1",}', False, None),
        ("{'a':'1'}", False, None),
        ('{"a":"1"', False, None),
        ('{"a":"1}', False, None),
        ('[{"a":"1"}]', False, None),
        ('"{}"', False, None),
        ("null", False, None),
        ("}", False, None),
        ("", False, None),
    ]
    lines = spark.createDataFrame([(line, "file", ARRIVED) for line, *_ in cases], schemas.RAW_LINE)
    rows = (
        json_records.with_fields(lines, ["a"]).selectExpr("raw", "is_object", "if(is_object, a, null) as a").collect()
    )
    assert [tuple(row) for row in rows] == cases


@pytest.mark.parametrize("decoded", [False, True])
def test_what_is_not_a_line_is_known_by_its_first_bytes(spark, decoded):
    sent = {
        "gzip_compressed": gzip.compress(b"{}"),
        "kpl_aggregated": bytes.fromhex("f3899ac2 0a 01 61"),
        None: b'{"a":1}',
    }
    for reason, data in sent.items():
        given = data.decode(errors="replace").encode() if decoded else data  # as some versions of Glue hand it on
        line = spark.createDataFrame([(bytearray(given),)], "data binary").selectExpr("cast(data as string) as raw")
        reasons = (
            line
            .transform(json_records.with_fields, ["a"])
            .transform(with_reasons, json_records.rules())
            .collect()[0]
            .reasons
        )
        assert (reason in reasons) if reason else reasons is None
