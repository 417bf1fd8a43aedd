"""Lines of the raw archive: when they arrived, and whether each is one JSON object."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import bz2
import gzip
import zlib
from datetime import datetime
from functools import partial

import pyarrow as pa
import pytest

from clickstream import errors, schemas
from clickstream.sources import raw_archive
from clickstream.transforms import json_records
from clickstream.validation import with_reasons
from lambdas import archive_lines

ARRIVED = datetime(2024, 3, 20, 12)  # of a file outside arrived=…, as Trial sends it


@pytest.mark.parametrize(
    ("file", "arrived_at"),
    [
        ("arrived=2024-03-17/10/a.json", datetime(2024, 3, 17, 10)),
        ("arrived=2024-03-17/10/deep/er/a.json", datetime(2024, 3, 17, 10)),
        ("arrived=2024-03-17/a.json", datetime(2024, 3, 17)),
        ("stage=prod/arrived=2024-12-31/23/a.json", datetime(2024, 12, 31, 23)),
        ("arrived=2024-03-01/01/of/arrived=2024-03-17/10/a.json", datetime(2024, 3, 17, 10)),
        ("else where/arrived=2024-03-17/10/ä %.json", datetime(2024, 3, 17, 10)),
        ("2024/03/17/10/a.json", ARRIVED),
        ("has_arrived=2024-03-17/10/a.json", ARRIVED),
    ],
)
def test_a_line_arrived_when_its_folder_says(spark, trial, file, arrived_at):
    trial.send(["x"], file)
    (line,) = raw_archive.read_lines(spark, str(trial.raw)).collect()
    assert line.arrived_at == arrived_at


@pytest.mark.parametrize(
    "folder",
    [
        "arrived=2024-02-30/10",  # no such day
        "arrived=2024-03-17/24",  # no such hour
        "arrived=2024-03-17/7",
        "arrived=2024-03-17/hour=10",
        "arrived=2024-03-17/part",
        "arrived=20240317/10",
        "arrived=yesterday/10",
        "arrived=2024-03-17T10/10",
        "arrived=/10",
        "arrived%3D2024-03-17/10",
        "Arrived=2024-03-17/10",
    ],
)
def test_a_folder_that_does_not_say_the_hour_is_named(spark, trial, folder):
    trial.send(["x"], f"{folder}/deep/er/a.json")
    with pytest.raises(errors.InputError) as raised:
        raw_archive.read_lines(spark, str(trial.raw))
    assert f"/raw/{folder} says no hour of arrival: it must end in arrived=YYYY-MM-DD/HH" in str(raised.value)


gz = partial(gzip.compress, mtime=0)  # a test has the same name in every process
BODY = b"".join(b'{"a":%d}\n' % number for number in range(20_000))


def compressed(codec):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(BODY)
    return sink.getvalue().to_pybytes()


def materialized(trial):
    """Read as a job does; return the number of rows."""
    lines = raw_archive.read_lines(trial.spark, str(trial.raw))
    validated = lines.transform(json_records.with_fields, ["a"]).transform(with_reasons, json_records.rules())
    with raw_archive.read_errors(lines):
        validated.write.parquet(str(trial.folder / "staging"))
    rows = trial.spark.read.parquet(str(trial.folder / "staging"))
    raw_archive.check_files(lines, rows)
    return rows.count()


@pytest.mark.parametrize(
    ("file", "content", "lines"),
    [
        ("plain.json", BODY, 20_000),
        ("plain", BODY, 20_000),
        ("a.json.gz", gz(BODY), 20_000),
        ("two_members.gz", gz(BODY) + gz(BODY), 40_000),
        ("a.deflate", zlib.compress(BODY), 20_000),
        ("empty.json", b"", 0),
        ("empty.gz", b"", 0),
        ("nothing.json.gz", gz(b""), 0),
        ("nothing twice é.gz", gz(b"") * 2, 0),
        ("nothing {twice} [*].gz", gz(b"") * 2, 0),
        ("nothing.deflate", zlib.compress(b""), 0),
        ("blank.json", b"\n\n", 2),
        ("a record is gzip.json", b"{}\n" + gz(b"{}") + b"\n", 2),
        ("the first record is gzip.json", gz(b"{}") + b"\n{}\n", 2),
        ("a record is gzip.json.gz", gz(gz(b"{}") + b"\n"), 1),
    ],
)
def test_files_that_are_read(trial, file, content, lines):
    trial.send_bytes(content, f"arrived=2024-03-17/10/{file}")
    assert materialized(trial) == lines


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("torn.json.gz", gz(BODY)[:20_000], "cannot be read: Unexpected end of input stream"),
        ("torn_at_once.gz", gz(BODY)[:5], "cannot be read: Unexpected end of input stream"),
        ("whole.bz2", bz2.compress(BODY), "is not read: files must be plain"),  # <- torn it would be read, too
        ("plain_text.json.gz", BODY, "cannot be read: not a gzip file"),
        ("bz2.gz", bz2.compress(BODY), "cannot be read: not a gzip file"),
        ("behind it.gz", gz(BODY) + b"garbage that is no member", "cannot be read: not a gzip file"),
        ("corrupt.gz", gz(BODY)[:9_000] + bytes(99) + gz(BODY)[9_099:], "cannot be read: "),
        ("gzip é.json", gz(BODY), "is gzip, but its name does not end in .gz"),
        ("framed.snappy", bytes.fromhex("ff060000734e61507059010c0000") + bytes(12), "is not read: files"),
        ("raw.snappy", pa.compress(BODY, codec="snappy", asbytes=True), "is not read: files"),
        ("frame.LZ4", compressed("lz4"), "is not read: files must be plain"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_read_whole_is_named(trial, file, content, says):
    for good in "az":
        trial.send(["{}"], f"arrived=2024-03-17/10/{good}.json")
    trial.send_bytes(content, f"arrived=2024-03-17/11/{file}")
    with pytest.raises(errors.InputError) as raised:
        materialized(trial)
    assert f"/raw/arrived=2024-03-17/11/{file}" in str(raised.value)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_zstandard_is_read_or_named(spark, trial):
    trial.send_bytes(compressed("zstd"), "a.json.zst")
    trial.send_bytes(pa.compress(b"", codec="zstd", asbytes=True), "nothing.zst")
    if spark.version >= "4":
        assert materialized(trial) == 20_000
    else:
        with pytest.raises(errors.InputError, match=r"a.json.zst cannot be read: native zStandard library"):
            materialized(trial)


def test_of_many_files_without_lines_the_first_is_named(trial):
    for number in range(3):
        trial.send_bytes(compressed("lz4"), f"{number}.lz4")
    with pytest.raises(errors.InputError, match=r"raw/0.lz4 and 2 more files is not read"):
        materialized(trial)


def test_a_byte_order_mark_is_not_part_of_a_record(spark, trial):
    mark = b"\xef\xbb\xbf"
    trial.send_bytes(mark + b'{"a":1}\r\n' + mark + b'{"a":2}\n' + mark + b"caf\xe9\n" + mark + b"\n", "a.json")
    trial.send_bytes(gz(mark + b'{"a":3}\n') + gz(mark + b'{"a":4}\n'), "members.gz")
    lines = raw_archive.read_lines(spark, str(trial.raw)).selectExpr("cast(raw as binary) as raw").collect()
    expected = [b"", b"caf\xe9", *(b'{"a":%d}' % number for number in (1, 2, 3, 4))]
    assert sorted(bytes(row.raw) for row in lines) == expected


def test_lines_end_with_a_line_feed_and_perhaps_a_return_before_it(spark, trial):
    trial.send_bytes("a\r\nb\rc\n\n\r\nd \u2028\u0085 e\nno end".encode(), "text.json")
    trial.send_bytes(gz(b"zip\r\n") + gz(b"zap\r\r\n"), "two_members.json.gz")
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


def test_the_pattern_of_a_night_names_hours_and_days_some_of_which_hold_nothing(spark, trial):
    for folder in ("arrived=2024-03-15/22", "arrived=2024-03-15/23", "arrived=2024-03-16/00", "arrived=2024-03-18/00"):
        trial.send([folder], f"{folder}/a.json")
    night = f"{trial.raw}/{{arrived=2024-03-15/23,arrived=2024-03-16,arrived=2024-03-17}}"
    lines = {line.raw for line in raw_archive.read_lines(spark, night).collect()}
    assert lines == {"arrived=2024-03-15/23", "arrived=2024-03-16/00"}


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
        "gzip_compressed": gz(b"{}"),
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


@pytest.mark.parametrize(
    "record", [b"{}", b'{"a":\n1}', b"a\rb", b"\x1e", b"\x1eeA==", b"\xef\xbb\xbf{}", b"caf\xe9", b""]
)
def test_a_line_is_written_as_functions_write_it(spark, record):
    rows = spark.createDataFrame([(bytearray(record),)], "record binary").selectExpr("cast(record as string) as record")
    (line,) = rows.select(raw_archive.line_of("record").cast("binary").alias("line")).collect()
    assert bytes(line.line) == archive_lines.line(record)
