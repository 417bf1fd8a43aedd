"""One rule for a field, in every input that has it."""

# ruff: noqa: DTZ001 - Spark gives its times, all UTC, without a zone

import json
import unicodedata
from datetime import datetime, timedelta

import pytest

from clickstream import schemas
from clickstream.transforms import activity, events, live_sessions, page_views, texts, visits

NOON = datetime(2024, 3, 17, 12)
T = "2024-03-17T12:00:00Z"
WEEK = timedelta(days=7)

INPUTS = {  # input -> (what a record has beside the field, how it is judged, whether it may lack a user)
    "events": ({"event_uuid": "u", "event_name": "a", "created_at": 1_710_676_800}, events.validate, True),
    "page_views": ({"page_url": "/", "event_time": T}, lambda lines: page_views.validate(lines, WEEK), True),
    "visits": ({"event_time": T}, visits.validate, False),
    "activity of visits": (
        {"event_time": T},
        lambda lines: activity.from_lines(lines, "visits", activity.line_rules(WEEK)),
        False,
    ),
    "clicks": (
        {"event_timestamp": T},
        lambda lines: activity.from_lines(lines, "clicks", activity.line_rules(WEEK)),
        False,
    ),
    "app_clicks": (
        {"client_timestamp": T},
        lambda lines: activity.from_lines(lines, "app_clicks", activity.line_rules(WEEK)),
        False,
    ),
    "live clicks": (
        {"event_timestamp": T},
        lambda lines: activity.from_lines(lines, "clicks", live_sessions.rules(WEEK)),
        False,
    ),
}

MISSING = "missing"
NOT_TEXT, TOO_LONG, CONTROL = "user_id_not_text", "user_id_too_long", "user_id_control_character"
USER_IDS = [
    # as JSON -> the user, or why there is none
    ('"ada"', "ada"),
    ('" ada"', "ada"),
    ('"ada "', "ada"),
    ('"\\tada\\r\\n"', "ada"),
    ('"\u00a0\u3000ada\u2028\u2009"', "ada"),
    ('"\ufeffada\u200b"', "ada"),
    ('"ada lovelace"', "ada lovelace"),
    ('"ada\u00a0lovelace"', "ada\u00a0lovelace"),
    ('"Ada"', "Ada"),
    ('"größe 😀"', "größe 😀"),
    ('"\u200dada"', "\u200dada"),  # <- a joiner is part of a text
    ("42", "42"),
    ("-7", "-7"),
    ("0", "0"),
    ('"042"', "042"),
    ("12345678901234567890123", "12345678901234567890123"),
    ('"12345678.0"', "12345678.0"),
    ('"1e3"', "1e3"),
    ('"true"', "true"),
    ('"null"', "null"),
    ('"NaN"', "NaN"),
    ('"Infinity"', "Infinity"),
    ('"{}"', "{}"),
    ('"[1]"', "[1]"),
    (json.dumps("x" * texts.LONGEST_USER_ID), "x" * texts.LONGEST_USER_ID),
    (json.dumps(f" {'x' * texts.LONGEST_USER_ID} "), "x" * texts.LONGEST_USER_ID),
    ("null", MISSING),
    ('""', MISSING),
    ('"  "', MISSING),
    ('"\\t"', MISSING),
    ('"\u00a0"', MISSING),
    ('"\u200b"', MISSING),
    ("12345678.0", [NOT_TEXT]),
    ("1.5", [NOT_TEXT]),
    ("1e3", [NOT_TEXT]),
    ("1e400", [NOT_TEXT]),
    ("true", [NOT_TEXT]),
    ("false", [NOT_TEXT]),
    ("{}", [NOT_TEXT]),
    ('{"id": 1}', [NOT_TEXT]),
    ("[]", [NOT_TEXT]),
    ('["ada"]', [NOT_TEXT]),
    (json.dumps("x" * (texts.LONGEST_USER_ID + 1)), [TOO_LONG]),
    (json.dumps("é" * (texts.LONGEST_USER_ID // 2 + 1)), [TOO_LONG]),
    ('"ada\\u0000"', [CONTROL]),
    ('"ada\\tlovelace"', [CONTROL]),
    ('"ada\\nlovelace"', [CONTROL]),
    ('"ada\\u009f"', [CONTROL]),
]


def judged(spark, source, field, values):
    """Return the field and the reasons of a record for each JSON value of the field."""
    others, validate, _ = INPUTS[source]
    others = {name: value for name, value in others.items() if name != field}
    lines = [f'{json.dumps(others)[:-1]}, "{field}": {value}}}' for value in values]
    raw = spark.createDataFrame([(line, "file", NOON) for line in lines], schemas.RAW_LINE)
    found = {row.raw: (row[field], row.reasons) for row in validate(raw).select("raw", field, "reasons").collect()}
    return [found[line] for line in lines]


@pytest.mark.parametrize("source", INPUTS)
def test_a_user_is_the_same_in_every_input(spark, source):
    is_optional = INPUTS[source][2]
    missing = (None, None if is_optional else ["user_id_missing"])
    expected = {
        value: missing if said is MISSING else (None, said) if isinstance(said, list) else (said, None)
        for value, said in USER_IDS
    }
    found = judged(spark, source, "user_id", list(expected))
    actual = [(user if reasons is None else None, reasons) for user, reasons in found]
    assert dict(zip(expected, actual, strict=True)) == expected


def test_an_event_uuid_is_an_id_as_well(spark):
    story = {
        '" a b\\t"': ("a b", None),
        "42": ("42", None),
        '"\u00a0"': (None, ["event_uuid_missing"]),
        '"a\\u0000"': ("a\0", ["event_uuid_control_character"]),
        "1e400": ('"Infinity"', ["event_uuid_not_text"]),
        json.dumps("é" * 64): ("é" * 64, None),
        json.dumps("é" * 65): ("é" * 65, ["event_uuid_too_long"]),
    }
    assert dict(zip(story, judged(spark, "events", "event_uuid", list(story)), strict=True)) == story


def test_white_space_is_what_unicode_calls_so_and_what_has_no_width():
    named = {chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp"}}
    controls = {chr(code) for code in (*range(9, 14), 0x85)}  # which have White_Space, too
    assert len(set(texts.WHITE_SPACE)) == len(texts.WHITE_SPACE)
    assert set(texts.WHITE_SPACE) == named | controls | set("\u180e\u200b\u2060\ufeff")


SPACED = " \u00a0{}\\t "  # in JSON


def test_texts_are_trimmed_in_every_input(spark):
    said = {"event_type": "click", "page": "/a b", "device_type": "tv", "country": "DE"}
    spaced = {name: SPACED.format(value) for name, value in said.items()}
    geo = f'{{"country": "{spaced["country"]}", "city": " "}}'
    visit = f'{{"user_id": "ada", "event_time": " {T} ", "event_type": "{spaced["event_type"]}"'
    visit += f', "page_url": "{spaced["page"]}", "device_type": "{spaced["device_type"]}"'
    visit += f', "browser": "", "geo": {geo}}}'
    raw = spark.createDataFrame([(visit, "file", NOON)], schemas.RAW_LINE)

    (row,) = visits.validate(raw).collect()
    assert (row.event_type, row.page_url, row.device_type, row.country, row.city, row.browser, row.reasons) == (
        *said.values(), None, None, None
    )  # fmt: skip
    (row,) = activity.from_lines(raw, "visits", activity.line_rules(WEEK)).select(*said, "reasons").collect()
    assert row.asDict() == said | {"reasons": None}
    (row,) = page_views.validate(raw, WEEK).collect()
    assert (row.page, row.user_id, row.reasons) == (said["page"], "ada", None)
    (row,) = page_views.validate(
        spark.createDataFrame([("a,\u00a0/a b\t,link,1", "file", NOON)], schemas.RAW_LINE), WEEK
    ).collect()
    assert row.page == said["page"]

    named = visit.replace('"event_type"', '"event_uuid": "u", "created_at": " 1710676800 ", "event_name"')
    validated = events.validate(spark.createDataFrame([(named, "file", NOON)], schemas.RAW_LINE))
    (row,) = validated.select("event_name", *said, "reasons").collect()
    assert row.asDict() == said | {"event_name": "click", "reasons": None}
