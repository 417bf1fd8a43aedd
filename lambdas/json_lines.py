"""A record's bytes -> lines: a producer sends one JSON object a record, or several as lines."""

import json

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # a number may have any number of digits


def split(data: bytes) -> list[bytes]:
    """Split into lines without their line feeds, leaving out those of white space only.

    Bytes stay as sent, with one exception: an object that spans several lines becomes one line. Its line feeds can only
    stand between tokens, so spaces replace them.
    """
    if b"\n" in data.strip() and is_object(data):
        return [data.replace(b"\n", b" ")]
    return [line for line in data.split(b"\n") if line.strip()]


def is_object(text: bytes) -> bool:
    """Whether the text is exactly one JSON object, in UTF-8."""
    try:
        return isinstance(_DECODER.decode(text.decode()), dict)
    except (ValueError, RecursionError):  # the latter: thousands of brackets
        return False
