"""A job's arguments: what is missing, unknown or wrong is named in one sentence."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from clickstream.errors import ArgumentError
from clickstream.runtime.arguments import (
    Folder,
    PositiveInt,
    Ratio,
    StartingPosition,
    Table,
    check_apart,
    parse_arguments,
)


@dataclass(frozen=True)
class Arguments:
    raw_path: str
    mode: Literal["merge", "rebuild"] = "merge"
    start_date: date | None = None
    share: Ratio = Ratio(1)
    out_path: Folder | None = None
    table: Table | None = None
    start: StartingPosition = StartingPosition("latest")
    every: PositiveInt = PositiveInt(900)


def parse(*words: str) -> Arguments:
    return parse_arguments(Arguments, ["job.py", "--JOB_NAME", "job", *words])


def test_a_field_with_a_default_is_optional():
    assert parse("--raw_path", "s3://lake/raw") == Arguments("s3://lake/raw")


def test_every_kind_of_value():
    given = ("--mode", "rebuild", "--start_date", "2024-02-29", "--share", "0.25")
    assert parse("--raw_path", "r", *given) == Arguments("r", "rebuild", date(2024, 2, 29), Ratio(0.25))


def test_folders_wherever_they_lie():
    for path in ("s3://lake/out", "/my lake/out", "file:/lake/out/", "größe/100%"):
        assert parse("--raw_path", "r", "--out_path", path).out_path == path


def test_positions_in_a_stream():
    for position in ("latest", "trim_horizon", "earliest", "2024-03-17T10:15:30Z"):
        assert parse("--raw_path", "r", "--start", position).start == position


def test_a_value_may_follow_an_equals_sign():
    assert parse("--raw_path=s3://lake/arrived=2024-03-17").raw_path == "s3://lake/arrived=2024-03-17"


def test_glues_own_parameters_are_let_through():
    parse("--raw_path", "r", "--enable-metrics", "true", "--TempDir", "s3://tmp", "--conf", "spark.a=b")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "--raw_path missing; this job needs --raw_path"),
        (("--raw_path", "r", "--mood", "x"), "--mood is not an argument of this job; it takes --raw_path, --mode"),
        (("--raw_path", "r", "--mode", "append"), "--mode must be one of merge, rebuild, not 'append'"),
        (("--raw_path", "r", "--start_date", "17.03.2024"), "--start_date must be a date like 2024-03-17, not '17.03."),
        (
            ("--raw_path", "r", "--start_date", "2023-02-29"),
            "--start_date must be a date like 2024-03-17, not '2023-02",
        ),
        (("--raw_path", "r", "--start-date", "2024-03-17"), "--start-date is not an argument of this job"),
        (("--Raw_Path", "r"), "--Raw_Path is not an argument of this job"),
        (("--raw_path", "r", "--mode", "merge", "--mode", "rebuild"), "--mode given more than once"),
        (("--raw_path", " "), "--raw_path is empty"),
        (("--raw_path", "day=16", "day=17", "--mode", "merge"), "'day=17' follows no --name; quote a value"),
        (("--raw_path", "r", "--mode=merge", "x"), "'x' follows no --name"),
        (("--raw_path", "r", "--out_path", "s3://lake/day=*"), "--out_path must be a folder's path, in a bucket not"),
        (("--raw_path", "r", "--out_path", "lake/10:00"), "--out_path must be a folder's path, in a bucket not"),
        (("--raw_path", "r", "--out_path", "s3://lake/"), "--out_path must be a folder's path, in a bucket not the"),
        (("--raw_path", "r", "--out_path", " "), "--out_path must be a folder's path"),
        (("--raw_path", "r", "--table", "events; x"), "--table must be a table, database.table or"),
        (("--raw_path", "r", "--table", "a.b.c.d"), "--table must be a table, database.table or"),
        (("--raw_path", "r", "--every", "0"), "--every must be a whole number above 0, not '0'"),
        (("--raw_path", "r", "--every", "1.5"), "--every must be a whole number above 0, not '1.5'"),
        (("--raw_path", "r", "--start", "now"), "--start must be latest, trim_horizon, earliest or a time like 2024-"),
        (("--raw_path", "r", "--start", "2024-03-17"), "--start must be latest, trim_horizon, earliest or a time like"),
        (("--raw_path", "r", "--share", "50"), "--share must be a share from 0 to 1, not '50'"),
        (("--raw_path", "r", "--share", "nan"), "--share must be a share from 0 to 1, not 'nan'"),
    ],
)
def test_what_is_wrong_is_named(words, sentence):
    with pytest.raises(ArgumentError) as raised:
        parse(*words)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("lake/raw", "lake/raw"),
        ("lake/raw/", "lake/raw"),
        ("lake//raw/day", "lake/raw/"),
        ("file:/lake/raw", "/lake"),
        ("s3://lake/raw", "s3://lake"),
        (str(Path("lake/raw").absolute()), "lake"),
        ("s3a://lake/raw//day", "s3://lake/raw"),
        ("lake/../lake/raw", "lake"),
        ("lake/raw/arrived=2024-03-17", "lake/r*"),
        ("lake/raw/quarantine/a", "lake/{raw,other}/*"),
        ("lake/raw/*/10", "lake/raw/arrived=2024-03-17"),
    ],
)
def test_paths_that_lie_in_each_other_are_refused(inner, outer):
    for paths in ({"raw_path": outer, "quarantine_table": inner}, {"raw_path": inner, "quarantine_table": outer}):
        with pytest.raises(ArgumentError, match=r"^--\w+ \S+ lies in --\w+ \S+$"):
            check_apart(**paths)


def test_paths_that_begin_alike_lie_apart():
    check_apart(raw_path="lake/raw", quarantine_table="lake/raw2", clickstream_path="lake/clickstream")
    check_apart(raw_path="lake/raw/*", quarantine_table="lake/quarantine", clickstream_path="s3://lake/raw/clickstream")
