"""A job's arguments: what is missing, unknown or wrong is named in one sentence."""

from dataclasses import dataclass, fields, make_dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.errors import ArgumentError
from clickstream.runtime.arguments import (
    EARLIEST_DATE,
    LARGEST_INT,
    LATEST_DATE,
    AtMost,
    Folder,
    PositiveInt,
    Ratio,
    StartingPosition,
    Table,
    check_dates,
    check_disjoint_paths,
    glue_words,
    help_of,
    parse_arguments,
)


@dataclass(frozen=True)
class Arguments:
    raw_path: Annotated[str, "JSON lines, 100% of them"]
    mode: Annotated[Literal["merge", "rebuild"], "merge adds; rebuild replaces"] = "merge"
    start_date: Annotated[date | None, "the first day"] = None
    ratio: Annotated[Ratio, "beyond it the run fails"] = Ratio(1)
    low_ratio: Annotated[Ratio, AtMost(0.5), "of half at most"] = Ratio(0.5)
    out_path: Annotated[Folder | None, "what is written"] = None
    table: Annotated[Table | None, "where rows go"] = None
    start: Annotated[StartingPosition, "where there is no checkpoint"] = StartingPosition("latest")
    every: Annotated[PositiveInt, "from one batch to the next"] = PositiveInt(900)
    gap_seconds: Annotated[PositiveInt, AtMost(86_400), "a longer pause ends a session"] = PositiveInt(1800)


def parse(*words: str) -> Arguments:
    return parse_arguments(Arguments, ["job.py", "--JOB_NAME", "job", *words])


def test_a_field_with_a_default_is_optional():
    assert parse("--raw_path", "s3://lake/raw") == Arguments("s3://lake/raw")


def test_every_kind_of_value():
    given = ("--mode", "rebuild", "--start_date", "2024-02-29", "--ratio", "0.25")
    assert parse("--raw_path", "r", *given) == Arguments("r", "rebuild", date(2024, 2, 29), Ratio(0.25))


@pytest.mark.parametrize("path", ["s3://lake/out", "/my lake/out", "file:/lake/out/", "größe/100%"])
def test_folders_wherever_they_lie(path):
    assert parse("--raw_path", "r", "--out_path", path).out_path == path


@pytest.mark.parametrize("position", ["latest", "trim_horizon", "earliest", "2024-03-17T10:15:30Z"])
def test_positions_in_a_stream(position):
    assert parse("--raw_path", "r", "--start", position).start == position


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--gap_seconds", "1"], "gap_seconds", 1),
        (["--gap_seconds", "86400"], "gap_seconds", 86_400),
        (["--every", str(LARGEST_INT)], "every", LARGEST_INT),
        (["--low_ratio", "0.5"], "low_ratio", 0.5),
        (["--ratio", "0"], "ratio", 0),
        (["--start_date", "2000-01-01"], "start_date", EARLIEST_DATE),
        (["--start_date", "2100-01-01"], "start_date", LATEST_DATE),
        (["--start", "2000-01-01T00:00:00Z"], "start", "2000-01-01T00:00:00Z"),
    ],
)
def test_bounds_are_taken(words, name, value):
    assert getattr(parse("--raw_path", "r", *words), name) == value


@pytest.mark.parametrize(
    ("words", "raw_path"),
    [
        (["--raw_path=s3://lake/arrived=2024-03-17"], "s3://lake/arrived=2024-03-17"),
        (["--raw_path", "s3://lake/arrived=2024-03-17"], "s3://lake/arrived=2024-03-17"),
        (["--raw_path", "-x"], "-x"),
        (["--raw_path", "-1"], "-1"),
        (["--raw_path", "-h"], "-h"),
        (["--raw_path", "-"], "-"),
        (["--raw_path", "a=-b"], "a=-b"),
        (["--raw_path=--mode"], "--mode"),
        (["--raw_path=--mode=rebuild"], "--mode=rebuild"),
        (["--raw_path=-"], "-"),
        (["--raw_path", " a "], " a "),
        (["--raw_path", "two\nlines"], "two\nlines"),
    ],
)  # fmt: skip
def test_values_that_look_like_options(words, raw_path):
    assert parse(*words) == Arguments(raw_path)


GLUES = [
    ["--enable-metrics", "true"],
    ["--enable-metrics"],
    ["--enable-auto-scaling="],
    ["--TempDir", "s3://lake/tmp"],
    ["--conf", "spark.a=b --conf spark.c=d"],
    ["--class", "GlueApp"],
    ["--JOB_ID", "j_1"],
    ["--JOB_NAME", "nightly"],
    ["--job-language", "python"],
    ["--python-modules-installer-option", "--upgrade"],
    ["--extra-py-files", "s3://code/clickstream.whl"],
]


@pytest.mark.parametrize("words", GLUES, ids=" ".join)
def test_glues_own_parameters_are_passed_over(words):
    expected = Arguments("r", mode="rebuild")
    assert parse(*words, "--raw_path", "r", "--mode", "rebuild") == expected
    assert parse("--raw_path", "r", *words, "--mode", "rebuild") == expected
    assert parse("--raw_path", "r", "--mode", "rebuild", *words) == expected


def test_only_glues_own_words_are_for_glue():
    words = ["--raw_path", "-h", "--TempDir", "s3://t", "--reason=--JOB_NAME", "--enable-metrics", "--mode", "merge"]
    assert glue_words([*words, "--JOB_NAME=job"]) == ["--TempDir", "s3://t", "--enable-metrics", "--JOB_NAME=job"]


PLACES = "a folder's path, in a bucket not the bucket itself, without"
POSITION = "latest, trim_horizon, earliest or a time like 2024-03-17T10:15:30Z"
TABLE = "a table, database.table or catalog.database.table of letters, digits and _"
OF_OTHER_DATES = "rows of other dates are quarantined"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        # missing
        ([], "--raw_path missing; this job needs --raw_path"),
        (["--mode", "append"], "--raw_path missing; this job needs --raw_path"),
        (["--raw_path"], "--raw_path has no value; write --raw_path=VALUE for one that begins with a hyphen"),
        (["--raw_path", "--mode", "merge"], "--raw_path has no value; write"),
        (["--raw_path", "-mode", "merge"], "--raw_path has no value; write"),
        (["--raw_path", "-mode=merge"], "--raw_path has no value; write"),
        (["--raw_path", "--"], "--raw_path has no value; write"),
        (["--raw_path=--"], "--raw_path has no value; write"),
        # unknown
        (["--raw_path", "r", "--mood", "x"], "--mood is not an argument of this job; it takes --raw_path, --mode, --s"),
        (["--raw_path", "r", "--mood=x y"], "--mood is not an argument of this job; it takes --raw_path, --mode, --s"),
        (["--raw", "r"], "--raw is not an argument of this job; it takes --raw_path, --mode"),
        (["--raw_path", "r", "--start-date", "2024-03-17"], "--start-date is not an argument of this job; it takes"),
        (["--raw_path", "r", "--start-date=2024-03-17"], "--start-date is not an argument of this job; it takes"),
        (["--Raw_Path", "r"], "--Raw_Path is not an argument of this job; it takes"),
        (["-raw_path", "r"], "-raw_path is not an argument of this job; it takes"),
        (["---raw_path", "r"], "---raw_path is not an argument of this job; it takes"),
        (["--raw_path", "r", "--help"], "--help is not an argument of this job; it takes"),
        (["--raw_path", "r", "--"], "-- is not an argument of this job; it takes"),
        (["--raw_path", "r", "--7", "x"], "--7 is not an argument of this job; it takes"),
        # stray
        (["--raw_path", "day=16", "day=17", "--mode", "merge"], "'day=17' follows no --name; quote a value that the"),
        (["--raw_path", "r", "--mode=merge", "x"], "'x' follows no --name; quote a value that the shell would expand"),
        (["x", "--raw_path", "r"], "'x' follows no --name"),
        (["--raw_path", "r", "-h"], "'-h' follows no --name"),
        (["--raw_path", "r", "--enable-metrics", "true", "x"], "'x' follows no --name"),
        (["--raw_path", "r", "--enable-metrics=true", "x"], "'x' follows no --name"),
        (["--raw_path", "r", "two\nlines"], r"'two\nlines' follows no --name"),
        # repeated
        (["--raw_path", "r", "--mode", "merge", "--mode", "rebuild"], "--mode given more than once"),
        (["--raw_path", "r", "--mode=merge", "--mode", "merge"], "--mode given more than once"),
        # empty
        (["--raw_path", " "], "--raw_path is empty"),
        (["--raw_path", ""], "--raw_path is empty"),
        (["--raw_path="], "--raw_path is empty"),
        (["--raw_path", "r", "--out_path", " "], "--out_path is empty"),
        (["--raw_path", "r", "--start_date="], "--start_date is empty"),
        (["--raw_path", "r", "--mode", ""], "--mode is empty"),
        # of the wrong form
        (["--raw_path", "r", "--mode", "append"], "--mode must be one of merge, rebuild, not 'append'"),
        (["--raw_path", "r", "--mode", "two\nlines"], r"--mode must be one of merge, rebuild, not 'two\nlines'"),
        (["--raw_path", "r", "--start_date", "17.03.2024"], "--start_date must be a date like 2024-03-17, not '17.03."),
        (["--raw_path", "r", "--start_date", "2023-02-29"], "--start_date must be a date like 2024-03-17, not '2023-0"),
        (["--raw_path", "r", "--out_path", "s3://lake/day=*"], f"--out_path must be {PLACES}"),
        (["--raw_path", "r", "--out_path", "lake/10:00"], f"--out_path must be {PLACES}"),
        (["--raw_path", "r", "--out_path", "s3://lake/"], f"--out_path must be {PLACES}"),
        (["--raw_path", "r", "--table", "events; x"], f"--table must be {TABLE}, not 'events; x'"),
        (["--raw_path", "r", "--table", "a.b.c.d"], f"--table must be {TABLE}, not 'a.b.c.d'"),
        (["--raw_path", "r", "--every", "1.5"], f"--every must be a whole number from 1 to {LARGEST_INT}, not '1.5'"),
        (["--raw_path", "r", "--start", "now"], f"--start must be {POSITION}, not 'now'"),
        (["--raw_path", "r", "--start", "2024-03-17"], f"--start must be {POSITION}, not '2024-03-17'"),
        (["--raw_path", "r", "--start", "2024-3-17T1:15:30Z"], f"--start must be {POSITION}, not '2024-3-17T1:15"),
        (["--raw_path", "r", "--ratio", "half"], "--ratio must be a number from 0 to 1, not 'half'"),
        # out of bounds
        (["--raw_path", "r", "--every", "0"], f"--every must be a whole number from 1 to {LARGEST_INT}, not '0'"),
        (["--raw_path", "r", "--every", "-5"], f"--every must be a whole number from 1 to {LARGEST_INT}, not '-5'"),
        (["--raw_path", "r", "--every", str(LARGEST_INT + 1)], "--every must be a whole number from 1 to"),
        (["--raw_path", "r", "--gap_seconds", "0"], "--gap_seconds must be a whole number from 1 to 86400, not '0'"),
        (["--raw_path", "r", "--gap_seconds", "86401"], "--gap_seconds must be a whole number from 1 to 86400, not '"),
        (["--raw_path", "r", "--gap_seconds", "10000000000000"], "--gap_seconds must be a whole number from 1 to"),
        (["--raw_path", "r", "--gap_seconds", "9" * 9999], "--gap_seconds must be a whole number from 1 to 86400"),
        (["--raw_path", "r", "--ratio", "50"], "--ratio must be a number from 0 to 1, not '50'"),
        (["--raw_path", "r", "--ratio", "-0.1"], "--ratio must be a number from 0 to 1, not '-0.1'"),
        (["--raw_path", "r", "--ratio", "nan"], "--ratio must be a number from 0 to 1, not 'nan'"),
        (["--raw_path", "r", "--low_ratio", "0.51"], "--low_ratio must be a number from 0 to 0.5, not '0.51'"),
        (
            ["--raw_path", "r", "--start_date", "0800-01-01"],
            f"--start_date must lie between 2000-01-01 and 2100-01-01, not '0800-01-01'; {OF_OTHER_DATES}",
        ),
        (["--raw_path", "r", "--start_date", "1999-12-31"], "--start_date must lie between 2000-01-01 and 2100-01-01"),
        (["--raw_path", "r", "--start_date", "2100-01-02"], "--start_date must lie between 2000-01-01 and 2100-01-01"),
        (["--raw_path", "r", "--start", "0800-03-17T10:15:30Z"], f"--start must be {POSITION}, not '0800"),
        (["--raw_path", "r", "--start", "2100-01-02T00:00:00Z"], f"--start must be {POSITION}, not '2100"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_wrong_is_named(words, sentence):
    with pytest.raises(ArgumentError) as raised:
        parse(*words)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def test_all_that_is_missing_is_named_with_all_that_is_needed():
    @dataclass(frozen=True, kw_only=True)
    class Needs:
        first: Annotated[str, "one"]
        second: Annotated[str, "two"]
        other: Annotated[str, "optional"] = ""
        third: Annotated[str, "three"]

    with pytest.raises(ArgumentError, match=r"^--first, --third missing; this job needs --first, --second, --third$"):
        parse_arguments(Needs, ["job.py", "--second", "x"])


DATES = st.dates(EARLIEST_DATE, LATEST_DATE)
TIMES = st.builds("{}T{:%H:%M:%S}Z".format, DATES, st.times())
FOLDERS = st.from_regex(r"\A(s3://lake/|/|file:/)?[\w =%.-]*\w\Z").map(Folder)
TABLES = st.from_regex(r"\A[a-z_0-9]+(\.[a-z_0-9]+){0,2}\Z").map(Table)
ANY_ARGUMENTS = st.builds(
    Arguments,
    raw_path=st.text(min_size=1).filter(lambda text: text.strip() and text != "--"),
    mode=st.sampled_from(["merge", "rebuild"]),
    start_date=st.none() | DATES,
    ratio=st.floats(0, 1).map(Ratio),
    low_ratio=st.floats(0, 0.5).map(Ratio),
    out_path=st.none() | FOLDERS,
    table=st.none() | TABLES,
    start=(st.sampled_from(["latest", "trim_horizon", "earliest"]) | TIMES).map(StartingPosition),
    every=st.integers(1, LARGEST_INT).map(PositiveInt),
    gap_seconds=st.integers(1, 86_400).map(PositiveInt),
)


@given(ANY_ARGUMENTS, st.lists(st.sampled_from(GLUES), max_size=3), st.data())
def test_any_arguments_are_read_as_they_were_written(arguments, glues, data):
    pairs = []
    for name, value in vars(arguments).items():
        is_joined = str(value).startswith("-") or data.draw(st.booleans())
        if value is not None:
            pairs.append([f"--{name}={value}"] if is_joined else [f"--{name}", str(value)])
    words = [word for pair in data.draw(st.permutations(pairs + glues)) for word in pair]
    assert parse(*words) == arguments


NAMES = [f"--{field.name}" for field in fields(Arguments)]
WORDS = st.sampled_from([*NAMES, "--", "-", "-h", "--help", "--mood", "merge", "", "--raw_path=r", "--start-date"])


@given(st.lists(WORDS | st.text() | st.text().map("--{}".format) | st.sampled_from(GLUES).map(lambda words: words[0])))
def test_any_words_are_arguments_or_one_sentence(words):
    try:
        said = str(parse(*words))
    except ArgumentError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


def test_help_says_what_there_is_and_what_it_must_be(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = help_of(Arguments, "Lines -> the ``events`` table.\n\n    Rerun  safe", prog="job")
    usage, _, explained = said.partition("\nLines -> the events table.\n\nRerun  safe\n\n")
    assert usage.startswith("usage: job --raw_path TEXT [--mode {merge,rebuild}] [--start_date DATE]")
    assert [" ".join(line.split()) for line in explained.splitlines()] == [
        "required arguments:",
        "--raw_path TEXT JSON lines, 100% of them",
        "",
        "optional arguments:",
        "--mode {merge,rebuild} merge adds; rebuild replaces; default: merge",
        "--start_date DATE the first day; a date like 2024-03-17, from 2000-01-01 to 2100-01-01",
        "--ratio RATIO beyond it the run fails; a number from 0 to 1; default: 1.0",
        "--low_ratio RATIO of half at most; a number from 0 to 0.5; default: 0.5",
        f"--out_path FOLDER what is written; {PLACES} * ? [ ] {{ }} : \\",
        f"--table TABLE where rows go; {TABLE}",
        f"--start POSITION where there is no checkpoint; {POSITION}; default: latest",
        f"--every N from one batch to the next; a whole number from 1 to {LARGEST_INT}; default: 900",
        "--gap_seconds N a longer pause ends a session; a whole number from 1 to 86400; default: 1800",
    ]


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        (str, "name must be annotated with one help text"),
        (Annotated[str, "one", "two"], "name must be annotated with one help text"),
        (Annotated[PositiveInt, AtMost(1)], "name must be annotated with one help text"),
        (Annotated[PositiveInt, AtMost(1), AtMost(2), "help"], "name must be annotated with one help text"),
        (Annotated[PositiveInt, 86_400, "help"], "name must be annotated with one help text"),
        (Annotated[Table, AtMost(1), "help"], "name is a .*Table.*, which has no upper bound"),
        (Annotated[Literal["a"], AtMost(1), "help"], "name is a .*Literal.*, which has no upper bound"),
        (Annotated[bytes, "help"], "name is a .*bytes.*, which no argument can be"),
    ],
)
def test_a_field_that_is_no_argument_is_a_programmers_error(annotation, sentence):
    with pytest.raises(TypeError, match=sentence):
        parse_arguments(make_dataclass("Wrong", [("name", annotation)]), ["job.py", "--name", "x"])


def test_dates_in_order():
    day = date(2024, 3, 17)
    check_dates(day, day)
    check_dates(None, day)
    check_dates(day, None)
    with pytest.raises(ArgumentError, match=r"^--start_date 2024-03-18 is after --end_date 2024-03-17$"):
        check_dates(day + timedelta(days=1), day)


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
        ("lake/raw/clickstream/a", "lake/{raw,other}/*"),
        ("lake/raw/*/10", "lake/raw/arrived=2024-03-17"),
    ],
)
def test_paths_that_lie_in_each_other_are_rejected(inner, outer):
    for paths in ({"raw_path": outer, "clickstream_path": inner}, {"raw_path": inner, "clickstream_path": outer}):
        with pytest.raises(ArgumentError, match=r"^--\w+ \S+ lies in --\w+ \S+$"):
            check_disjoint_paths(**paths)


def test_paths_that_begin_alike_are_disjoint():
    check_disjoint_paths(raw_path="lake/raw", quarantine_table="lake/raw2", clickstream_path="lake/clickstream")
    check_disjoint_paths(raw_path="lake/raw/*", quarantine_table="lake/quarantine", clickstream_path="s3://lake/raw/c")
    check_disjoint_paths(raw_path="lake/raw", clickstream_path="")
