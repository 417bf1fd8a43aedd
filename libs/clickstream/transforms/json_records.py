"""A line or record as one JSON object: its fields as text, and the rules that hold for every input of JSON."""

from collections.abc import Sequence
from uuid import uuid4

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickstream.validation import Rules

# A number with a point or an exponent, a boolean, an object, an array; whole numbers do as well as text.
NOT_AN_ID = r'^(-?\d+([.]\d*)?[eE][+-]?\d+|-?\d+[.]\d*|"?-?Infinity"?|"?NaN"?|true|false|[\[{].*)\z'

# The first bytes of what is not a line, as sent and as a reader that decodes UTF-8 hands it on.
GZIP = ("1F8B", "1FEFBFBD")
KPL = ("F3899AC2", "EFBFBDEFBFBD0A")  # many records in one, by the Kinesis Producer Library

_END = f"end of the line {uuid4().hex}"  # a key that no producer can send


def without_line_end(text: str) -> Column:
    r"""Take ``\n``, ``\r\n`` or ``\r`` off a text's end, by bytes: what is not UTF-8 has no characters to count."""
    first = f"cast(substr(cast({text} as binary), 1, octet_length({text}) - {{}}) as string)"
    return F.expr(f"""
        case when endswith({text}, '\r\n') then {first.format(2)}
             when endswith({text}, '\n') or endswith({text}, '\r') then {first.format(1)}
             else {text} end
    """)


def with_fields(lines: DataFrame, names: Sequence[str]) -> DataFrame:
    """Add fields of the line's JSON object as text, and ``is_object``: whether the line is one object and no more.

    Row-wise. ``json_tuple`` reads as far as the first object goes and would not see that two were glued on one line.
    So the line's last brace is moved behind one more key, which is found if and only if the line is one object.
    """
    trimmed = lines.withColumn(
        "trimmed", F.expr("case when endswith(raw, '}') then raw else trim(trailing ' \t\r' from raw) end")
    )
    # A line without a quote holds no key that a comma would have to follow.
    last_brace_moved = F.expr(f"""
        concat(cast(substr(cast(trimmed as binary), 1, octet_length(trimmed) - 1) as string),
               case when instr(trimmed, '"') = 0 then '' else ',' end, '"{_END}":1}}')
    """)
    found = trimmed.select("*", F.json_tuple(last_brace_moved, *names, _END).alias(*names, "end"))
    is_object = F.col("trimmed").endswith("}") & F.col("end").isNotNull()
    return found.withColumn("is_object", is_object).drop("trimmed", "end")


def rules() -> Rules:
    """Say what has to hold for a line, by the reason it is quarantined for otherwise."""
    is_object = F.col("is_object")
    is_empty = F.trim("raw") == ""
    is_utf8 = F.encode("raw", "UTF-8") == F.col("raw").cast("binary")  # other bytes do not survive the decoding
    return {
        "empty": is_object | ~is_empty,
        "not_utf8": is_utf8,
        "gzip_compressed": is_object | ~_starts_with(GZIP),
        "kpl_aggregated": is_object | ~_starts_with(KPL),
        "not_a_json_object": is_object | is_empty,
    }


def is_text(name: str, suspicious: str) -> Column:
    """Whether a field was sent as a JSON text: ``with_fields`` makes text of everything else, too.

    Only where the text matches the pattern ``suspicious`` is the line looked at again.
    """
    kinds = ("double", "boolean", "map<string,string>", "array<string>")
    as_other = F.coalesce(*[F.from_json("raw", f"{name} {kind}")[name].cast("string") for kind in kinds])
    return ~(F.col(name).rlike(suspicious) & as_other.isNotNull())


def _starts_with(forms: Sequence[str]) -> Column:
    return F.expr(" or ".join(f"startswith(cast(raw as binary), X'{form}')" for form in forms))
