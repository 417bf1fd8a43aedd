"""Answers as text: values as Athena spells them, in aligned columns, CSV as in Athena's result files, or JSON."""

import base64
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from local.athena.client import Answer, QueryError

NARROWEST = 8  # to which a column of a table is shortened
NUMBERS = {"tinyint", "smallint", "integer", "bigint", "decimal", "real", "double"}
NOT_IN_JSON = {"NaN", "Infinity", "-Infinity"}

Kind = dict[str, Any]  # a type, as the protocol has it: its rawType and its arguments


def text(kind: Kind, value: Any) -> str:
    """Spell a value as Athena does; what is inside another value and null reads ``null``."""
    if value is None:
        return "null"
    match kind["rawType"]:
        case "boolean":
            return "true" if value else "false"
        case "varbinary":
            return base64.b64decode(value).hex(" ")
        case "array":
            return f"[{', '.join(text(_types(kind)[0], item) for item in value)}]"
        case "map":
            return f"{{{', '.join(f'{key}={text(_types(kind)[1], item)}' for key, item in value.items())}}}"
        case "row":
            return f"{{{', '.join(f'{name}={text(of, item)}' for (name, of), item in zip(_fields(kind), value, strict=True))}}}"
    return str(value)


def as_json(kind: Kind, value: Any) -> str:
    """Write a value as JSON: numbers with every digit that they have, arrays and objects as such, the rest as text."""
    if value is None:
        return "null"
    match kind["rawType"]:
        case "boolean":
            return text(kind, value)
        case number if number in NUMBERS and value not in NOT_IN_JSON:
            return str(value)
        case "array":
            return f"[{', '.join(as_json(_types(kind)[0], item) for item in value)}]"
        case "map":
            return _as_object((key, as_json(_types(kind)[1], item)) for key, item in value.items())
        case "row":
            fields = zip(_fields(kind), value, strict=True)
            return _as_object((name, as_json(of, item)) for (name, of), item in fields)
    return json.dumps(text(kind, value), ensure_ascii=False)


def write_table(answer: Answer) -> None:
    """Print columns that are as wide as their widest value; on a terminal not wider than it."""
    table = [["" if value is None else value for value in row] for row in _texts(answer)]
    if not answer.columns:
        return
    widths = [max(len(value) for value in column) for column in zip(*table, strict=True)]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - 2 * (len(widths) - 1)
        widths = fitting(widths, room)
    lines = [
        "  ".join(_shortened(value, width).ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    print("\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]]))


def write_csv(answer: Answer) -> None:
    """Print comma-separated values as Athena does: all of them in quotes, null empty without quotes."""
    for row in _texts(answer):
        print(",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row))


def write_json(answer: Answer) -> None:
    """Print one array of objects."""
    names = [column["name"] for column in answer.columns]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise QueryError(f"two columns are named {repeated[0]}; name them apart, or take another --format than json")
    kinds = [column["typeSignature"] for column in answer.columns]
    objects = [
        _as_object((name, as_json(kind, value)) for name, kind, value in zip(names, kinds, row, strict=True))
        for row in answer.rows
    ]
    print("[" + ",\n ".join(objects) + "]")


def fitting(widths: list[int], room: int) -> list[int]:
    """Narrow the widest columns, to one width, so that all fit; none below the narrowest."""
    most = max([*widths, NARROWEST])
    while most > NARROWEST and sum(min(width, most) for width in widths) > room:
        most -= 1
    return [min(width, most) for width in widths]


def _shortened(value: str, width: int) -> str:
    return value if len(value) <= width else value[: width - 1] + "…"


def _texts(answer: Answer) -> list[list[str | None]]:
    """Return the names, then each row as text."""
    kinds = [column["typeSignature"] for column in answer.columns]
    rows = [
        [None if value is None else text(kind, value) for kind, value in zip(kinds, row, strict=True)]
        for row in answer.rows
    ]
    return [[column["name"] for column in answer.columns], *rows]


def _as_object(members: Any) -> str:
    return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {value}" for name, value in members) + "}"


def _types(kind: Kind) -> list[Kind]:
    return [argument["value"] for argument in kind["arguments"]]


def _fields(kind: Kind) -> list[tuple[str, Kind]]:
    """Return the fields of a row; those without a name are field0, field1, …"""
    return [
        ((named.get("fieldName") or {}).get("name", f"field{number}"), named["typeSignature"])
        for number, named in zip(count(), _types(kind), strict=False)
    ]


WRITERS: dict[str, Callable[[Answer], None]] = {"table": write_table, "csv": write_csv, "json": write_json}
