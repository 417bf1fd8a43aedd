"""Answers as text: values as Athena spells them, in aligned columns, CSV as in Athena's result files, or JSON."""

import base64
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from local.athena.client import Answer, QueryError

NARROWEST = 8  # to which a column of a table is shortened
NUMBERS = {"tinyint", "smallint", "integer", "bigint", "decimal", "real", "double"}
NOT_IN_JSON = {"NaN", "Infinity", "-Infinity"}

Kind = dict[str, Any]  # a type, as the protocol has it: its rawType and its arguments


def text(kind: Kind, value: Any) -> str:
    """Spell a value as Athena does; null, where it is inside another value, reads ``null``."""
    name = kind["rawType"]
    if value is None:
        return "null"
    if name == "array":
        return f"[{', '.join(text(of, item) for _, of, item in parts(kind, value))}]"
    if name in {"map", "row"}:
        return f"{{{', '.join(f'{key}={text(of, item)}' for key, of, item in parts(kind, value))}}}"
    if name == "varbinary":
        return base64.b64decode(value).hex(" ")
    return str(value).lower() if name == "boolean" else str(value)


def as_json(kind: Kind, value: Any) -> str:
    """Write a value as JSON: numbers with all their digits, arrays and objects as such, the rest as text."""
    name = kind["rawType"]
    if value is None:
        return "null"
    if name == "array":
        return f"[{', '.join(as_json(of, item) for _, of, item in parts(kind, value))}]"
    if name in {"map", "row"}:
        return as_object((key, as_json(of, item)) for key, of, item in parts(kind, value))
    spelled = text(kind, value)
    is_bare = name == "boolean" or (name in NUMBERS and spelled not in NOT_IN_JSON)
    return spelled if is_bare else json.dumps(spelled, ensure_ascii=False)


def parts(kind: Kind, value: Any) -> list[tuple[str, Kind, Any]]:
    """Return the names, types and values in an array, a map or a row; a field without a name is field0, field1, …."""
    types = [argument["value"] for argument in kind["arguments"]]
    if kind["rawType"] == "row":
        fields = [(field.get("fieldName") or {}).get("name", f"field{number}") for number, field in enumerate(types)]
        return [(name, of["typeSignature"], item) for name, of, item in zip(fields, types, value, strict=True)]
    if kind["rawType"] == "map":
        return [(key, types[1], item) for key, item in value.items()]
    return [("", types[0], item) for item in value]


def write_table(answer: Answer) -> None:
    """Print columns that are as wide as their widest value; on a terminal not wider than it."""
    if not answer.columns:
        return
    table = [["" if value is None else value for value in row] for row in texts(answer)]
    widths = [max(len(line) for value in column for line in value.split("\n")) for column in zip(*table, strict=True)]
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
    for row in texts(answer):
        print(",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row))


def write_json(answer: Answer) -> None:
    """Print one array of objects."""
    names = [column["name"] for column in answer.columns]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise QueryError(f"two columns are named {repeated[0]}; name them apart, or take another --format than json")
    kinds = [column["typeSignature"] for column in answer.columns]
    objects = [
        as_object((name, as_json(kind, value)) for name, kind, value in zip(names, kinds, row, strict=True))
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
    return value if len(value) <= width or "\n" in value else value[: width - 1] + "…"


def texts(answer: Answer) -> list[list[str | None]]:
    """Return the names, then each row as text."""
    kinds = [column["typeSignature"] for column in answer.columns]
    rows = [
        [None if value is None else text(kind, value) for kind, value in zip(kinds, row, strict=True)]
        for row in answer.rows
    ]
    return [[column["name"] for column in answer.columns], *rows]


def as_object(members: Iterable[tuple[str, str]]) -> str:
    """Write a JSON object of names and of values that are JSON already."""
    return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {value}" for name, value in members) + "}"


WRITERS: dict[str, Callable[[Answer], None]] = {"table": write_table, "csv": write_csv, "json": write_json}
