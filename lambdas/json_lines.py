"""A record's bytes -> lines and JSON objects, by the rule of docs/architecture.md, "How a record becomes events"."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

WHITE_SPACE = b" \t\r\n"  # JSON's own
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NO_TEXT = (b"\x1f\x8b", b"\xf3\x89\x9a\xc2")  # gzip; many records in one, by the Kinesis Producer Library
_LINE_END = re.compile(rb"(\r\n|\n|\r)\Z")


def split(record: bytes) -> list[bytes]:
    """Return the record if it is one object, one line or no text, else its lines; none is of white space only."""
    text = _LINE_END.sub(b"", record, count=1).removeprefix(BYTE_ORDER_MARK)
    is_one_line = b"\n" not in text or text.startswith(NO_TEXT)
    is_whole = is_one_line or read_object(text.decode(errors="replace")) is not None
    lines = [text] if is_whole else re.split(rb"\r?\n", text)
    return [line for line in lines if line.strip(WHITE_SPACE)]


def read_object(text: str) -> dict[str, Any] | None:
    """Parse a text that is exactly one JSON object; of a name that comes twice the last value counts, but for null.

    Whole numbers become ``Decimal``, which has any number of digits.
    """
    try:
        read = _DECODER.decode(text)
    except (ValueError, RecursionError):  # the latter: thousands of brackets
        return None
    return read if isinstance(read, dict) else None


def _last_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN, Infinity


_DECODER = json.JSONDecoder(object_pairs_hook=_last_of_each, parse_int=Decimal, parse_constant=_no_json, strict=False)
