"""A job's arguments: what is missing, unknown or wrong is named in one sentence."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import pytest

from clickstream.arguments import Share, parse_arguments
from clickstream.errors import ArgumentError


@dataclass(frozen=True)
class Arguments:
    raw_path: str
    mode: Literal["merge", "rebuild"] = "merge"
    start_date: date | None = None
    share: Share = Share(1)


def parse(*words: str) -> Arguments:
    return parse_arguments(Arguments, ["job.py", "--JOB_NAME", "job", *words])


def test_a_field_with_a_default_is_optional():
    assert parse("--raw_path", "s3://lake/raw") == Arguments("s3://lake/raw")


def test_every_kind_of_value():
    given = ("--mode", "rebuild", "--start_date", "2024-02-29", "--share", "0.25")
    assert parse("--raw_path", "r", *given) == Arguments("r", "rebuild", date(2024, 2, 29), Share(0.25))


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
        (("--raw_path", "r", "--share", "50"), "--share must be a share from 0 to 1, not '50'"),
        (("--raw_path", "r", "--share", "nan"), "--share must be a share from 0 to 1, not 'nan'"),
    ],
)
def test_what_is_wrong_is_named(words, sentence):
    with pytest.raises(ArgumentError) as raised:
        parse(*words)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)
