"""A record's bytes -> a line of the raw archive, from which every record that arrived can be read back.

A record without a line feed is the line that it is. One that holds line feeds is the marker and its base64; so is one
that begins with the marker itself, or with a byte order mark, which readers of text take off a file. Nothing is judged
here: that is the jobs' part, and ``sources.raw_archive`` gives them the records.
"""

from base64 import b64encode

MARKER = b"\x1e"  # ASCII's record separator, which begins no JSON
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def line(record: bytes) -> bytes:
    """Return the line of a record, without the line feed that ends it."""
    text = record.removesuffix(b"\n")
    is_plain = b"\n" not in text and not text.startswith((MARKER, BYTE_ORDER_MARK))
    return text if is_plain else MARKER + b64encode(record)
