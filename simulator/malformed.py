"""Lines that every job must quarantine, made from good rows that are not sent themselves."""

import json
from collections.abc import Callable
from functools import partial
from random import Random

from simulator.formats import Format

NOT_JSON = ("GET /healthz HTTP/1.1 200", "<html><body>502 Bad Gateway</body></html>", "u1,2024-03-17,click", "{", "\\")
NOT_OBJECTS = ("null", "42", '"text"', "[]", "[1,2,3]", "true")
NOT_NUMBERS = ("ten", "", "12.5", "12abc", "NaN", "99999999999999999999999", "12 000", "0x1F")

Breaker = Callable[[str, str], bytes]  # two good rows -> one line


def repertoire(row_format: Format, rng: Random) -> dict[str, Breaker]:
    """Return a breaker for each kind of malformed line of the format."""
    return page_lines(rng) if row_format.suffix == "tsv" else json_lines(row_format, rng)


def json_lines(row_format: Format, rng: Random) -> dict[str, Breaker]:
    """Return breakers of a row's text and of its fields."""

    def without_field(row: str, _: str) -> bytes:
        fields = json.loads(row)
        del fields[rng.choice(row_format.required)]
        return dumped(fields)

    def with_broken_field(kind: str, row: str, _: str) -> bytes:
        name, value = rng.choice(row_format.broken_values[kind])
        return dumped(json.loads(row) | {name: value})

    return {
        "truncated": lambda row, _: row[: rng.randrange(1, len(row))].encode(),
        "not_json": lambda *_: rng.choice(NOT_JSON).encode(),
        "not_an_object": lambda row, _: rng.choice((*NOT_OBJECTS, f"[{row}]")).encode(),
        "not_utf8": lambda row, _: row[:-1].encode() + b',"note":"caf\xe9"}',  # Latin-1
        "two_on_a_line": lambda row, other: (row + rng.choice(("", " ", ",")) + other).encode(),
        "empty_line": lambda *_: rng.choice((b"", b"   ")),
        "missing_key": without_field,
        **{kind: partial(with_broken_field, kind) for kind in row_format.broken_values},
    }


def page_lines(rng: Random) -> dict[str, Breaker]:
    """Return breakers of a page transition's text and of its columns."""

    def with_broken_column(column: int, values: tuple[str, ...], row: str, _: str) -> bytes:
        columns = row.split("\t")
        columns[column] = rng.choice(values)
        return "\t".join(columns).encode()

    return {
        "truncated": lambda row, _: row[: rng.randrange(1, row.rindex("\t") + 1)].encode(),
        "not_utf8": lambda row, _: b"Caf\xe9_" + row.encode(),
        "two_on_a_line": lambda row, other: (row + other).encode(),
        "empty_line": lambda *_: b"",
        "missing_key": partial(with_broken_column, 1, ("",)),
        "wrong_type": partial(with_broken_column, 3, NOT_NUMBERS),
    }


def dumped(fields: dict[str, object]) -> bytes:
    """Serialize a row as the producers do."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
