"""Answers as they are printed: values as Athena spells them."""

import csv
import io
import json
from decimal import Decimal

import pytest

from local.athena import formats
from local.athena.client import Answer, Number, QueryError


def kind(name, *types):
    return {"rawType": name, "arguments": [{"kind": "TYPE", "value": each} for each in types]}


def row(**fields):
    named = [
        {"fieldName": {"name": name} if name[0] != "_" else None, "typeSignature": of} for name, of in fields.items()
    ]
    return kind("row", *named)


def answer(columns, *rows):
    return Answer([{"name": name, "typeSignature": of} for name, of in columns.items()], [list(each) for each in rows])


VARCHAR, BIGINT, DOUBLE, VARBINARY = kind("varchar"), kind("bigint"), kind("double"), kind("varbinary")
SPELLED = [  # a type, the value as the server sends it, as text, as JSON
    (kind("boolean"), True, "true", "true"),
    (BIGINT, 9007199254740993, "9007199254740993", "9007199254740993"),
    (kind("decimal"), "1.10", "1.10", "1.10"),
    (DOUBLE, Number("0.1"), "0.1", "0.1"),
    (DOUBLE, Number("1.0E10"), "1.0E10", "1.0E10"),
    (DOUBLE, "NaN", "NaN", '"NaN"'),
    (DOUBLE, "-Infinity", "-Infinity", '"-Infinity"'),
    (VARCHAR, 'größe, "quoted"', 'größe, "quoted"', '"größe, \\"quoted\\""'),
    (VARBINARY, "YWJj", "61 62 63", '"61 62 63"'),
    (VARBINARY, "", "", '""'),
    (kind("date"), "2024-03-17", "2024-03-17", '"2024-03-17"'),
    (kind("timestamp"), "2024-03-17 10:15:30.123", "2024-03-17 10:15:30.123", '"2024-03-17 10:15:30.123"'),
    (kind("array", VARCHAR), ["a", None], "[a, null]", '["a", null]'),
    (kind("array", VARBINARY), ["YWI="], "[61 62]", '["61 62"]'),
    (kind("map", VARCHAR, BIGINT), {"k": 1, "l": None}, "{k=1, l=null}", '{"k": 1, "l": null}'),
    (row(a=BIGINT, b=VARCHAR), [1, "x"], "{a=1, b=x}", '{"a": 1, "b": "x"}'),
    (row(_0=BIGINT, _1=VARCHAR), [1, "x"], "{field0=1, field1=x}", '{"field0": 1, "field1": "x"}'),
    (kind("array", row(a=kind("array", kind("decimal")))), [[["0.5"]]], "[{a=[0.5]}]", '[{"a": [0.5]}]'),
]
EXAMPLE = answer(
    {"n": BIGINT, "text": VARCHAR, "list": kind("array", VARCHAR), "nothing": VARCHAR},
    (1, 'größe, "quoted"', ["a", None], None),
    (20, "two", [], ""),
)


@pytest.mark.parametrize(("of", "value", "text", "as_json"), SPELLED)
def test_how_a_value_is_spelled(of, value, text, as_json):
    assert formats.text(of, value) == text
    assert formats.as_json(of, value) == as_json


def test_as_a_table(capsys):
    formats.write_table(EXAMPLE)
    assert capsys.readouterr().out == (
        'n   text             list       nothing\n'
        '--  ---------------  ---------  -------\n'
        '1   größe, "quoted"  [a, null]\n'
        '20  two              []\n'
    )  # fmt: skip


def test_a_table_fits_a_terminal_and_nothing_else_is_shortened(capsys, monkeypatch):
    wide = answer({"n": BIGINT, "text": VARCHAR, "other": VARCHAR}, (1, "x" * 100, "y" * 25))
    formats.write_table(wide)
    assert "x" * 100 in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    formats.write_table(wide)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 60
    assert lines[2] == f"1  {'x' * 29}…  {'y' * 25}"


def test_columns_are_never_narrower_than_can_be_read():
    assert formats.fitting([100, 100, 3], room=10) == [8, 8, 3]
    assert formats.fitting([100, 20, 3], room=60) == [37, 20, 3]


def test_csv_is_quoted_but_for_null(capsys):
    formats.write_csv(EXAMPLE)
    printed = capsys.readouterr().out
    assert printed == (
        '"n","text","list","nothing"\n'
        '"1","größe, ""quoted""","[a, null]",\n'
        '"20","two","[]",""\n'
    )  # fmt: skip
    assert len(list(csv.reader(io.StringIO(printed)))) == 3


def test_json_keeps_every_digit(capsys):
    of_rows = answer(
        {"price": kind("decimal"), "big": BIGINT, "nothing": VARCHAR},
        ("123456789012345678.000000000000000001", 9007199254740993, None),
        ("0.5", 1, ""),
    )
    formats.write_json(of_rows)
    first, second = json.loads(capsys.readouterr().out, parse_float=Decimal)
    assert first == {
        "price": Decimal("123456789012345678.000000000000000001"),
        "big": 9007199254740993,
        "nothing": None,
    }
    assert second == {"price": Decimal("0.5"), "big": 1, "nothing": ""}


def test_json_rejects_columns_that_it_could_not_tell_apart():
    with pytest.raises(QueryError, match="two columns are named a; "):
        formats.write_json(Answer([{"name": name, "typeSignature": BIGINT} for name in "aba"], [[1, 2, 3]]))
