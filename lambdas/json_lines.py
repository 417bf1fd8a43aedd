"""A record's bytes as lines: producers send one JSON object a record, or several as lines."""

import json

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # a number may have any number of digits


def split(data: bytes) -> list[bytes]:
    """Cut into lines without their ends; what is nothing but white space is no line.

    Bytes stay as sent, with one exception: an object that its producer wrote over several lines becomes one line. Its
    line feeds can only stand between tokens, so spaces do as well.
    """
    if b"\n" in data.strip() and is_object(data):
        return [data.replace(b"\n", b" ")]
    return [line for line in data.split(b"\n") if line.strip()]


def is_object(text: bytes) -> bool:
    """Whether it is one JSON object and no more, in UTF-8."""
    try:
        return isinstance(_DECODER.decode(text.decode()), dict)
    except (ValueError, RecursionError):  # the latter: thousands of brackets
        return False
