"""Records -> lines, and a line as one JSON object: its fields as text, the rules that hold for every input of JSON."""

from collections.abc import Sequence
from uuid import uuid4

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickstream.transforms import fields
from clickstream.validation import Rules

# The first bytes of what is not a line, as sent and as a reader that decodes UTF-8 hands it on.
GZIP = ("1F8B", "1FEFBFBD")
KPL = ("F3899AC2", "EFBFBDEFBFBD0A")  # many records in one, by the Kinesis Producer Library

IS_EMPTY = "trim(both ' \t\r\n' from raw) = ''"  # of JSON's own white space at most
BYTE_ORDER_MARK = "\\ufeff"  # editors and Windows put it before a text, and no JSON parser takes it

_END = f"end of the line {uuid4().hex}"  # a key that no producer can send
_WHITE_SPACE = "' \\t\\r\\n'"  # JSON's own


def split_records(records: DataFrame) -> DataFrame:
    """Turn records (``raw``), one a row, into lines, one a row: docs/architecture.md, "How a record becomes events".

    Row-wise. A record that holds no line feed, is one JSON object, nothing but white space or no text is one line.
    There is always a line; explode would have Spark filter by it, and that filter hold all of this a hundred times.
    """
    is_split = f"""
        contains(raw, '\\n') and not {IS_EMPTY}
        and not ({_starts_with((*GZIP, *KPL))}) and not ({_is_one_object("raw")})
    """
    # As Latin-1, which has a character for each byte: Spark would mend what is not UTF-8.
    lines = f"""
        transform(
            filter(split(decode(cast(raw as binary), 'ISO-8859-1'), '\\r?\\n'),
                   line -> trim(both {_WHITE_SPACE} from line) != ''),
            line -> cast(encode(line, 'ISO-8859-1') as string))
    """
    others = [name for name in records.columns if name != "raw"]
    return (
        records
        .withColumn("raw", _without_line_end("raw"))
        .withColumn("raw", _without_byte_order_mark("raw"))
        .withColumn("lines", F.expr(f"if({is_split}, {lines}, array(raw))"))
        .select(F.explode_outer("lines").alias("raw"), *others)
    )


def _without_line_end(text: str) -> Column:
    r"""Take ``\n``, ``\r\n`` or ``\r`` off a text's end, by bytes: what is not UTF-8 has no characters to count."""
    first = f"cast(substr(cast({text} as binary), 1, octet_length({text}) - {{}}) as string)"
    return F.expr(f"""
        case when endswith({text}, '\r\n') then {first.format(2)}
             when endswith({text}, '\n') or endswith({text}, '\r') then {first.format(1)}
             else {text} end
    """)


def _without_byte_order_mark(text: str) -> Column:
    return F.expr(f"""
        case when startswith({text}, '{BYTE_ORDER_MARK}')
             then cast(substr(cast({text} as binary), 4) as string) else {text} end
    """)


def with_fields(lines: DataFrame, names: Sequence[str]) -> DataFrame:
    """Add fields of the line's JSON object as text, and ``is_object``: whether the line is one object and no more.

    Row-wise. ``json_tuple`` reads as far as the first object goes and would not see that two were glued on one line.
    So the line's last brace is moved behind one more key, which is found if and only if the line is one object.
    """
    trimmed = lines.withColumn("trimmed", F.expr(_trimmed("raw")))
    last_brace_moved = F.expr(_last_brace_moved("trimmed"))
    found = trimmed.select("*", F.json_tuple(last_brace_moved, *names, _END).alias(*names, "end"))
    is_object = F.col("trimmed").endswith("}") & F.col("end").isNotNull() & F.expr(_has_double_quotes("raw"))
    texts = {name: fields.text(name) for name in names}
    return found.withColumns({**texts, "is_object": is_object}).drop("trimmed", "end")


def rules() -> Rules:
    """Say what has to hold for a line, by the reason it is quarantined for otherwise."""
    is_object = F.col("is_object")
    is_empty = F.expr(IS_EMPTY)
    is_utf8 = F.encode("raw", "UTF-8") == F.col("raw").cast("binary")  # other bytes do not survive the decoding
    return {
        "empty": is_object | ~is_empty,
        "not_utf8": is_utf8,
        "gzip_compressed": is_object | ~F.expr(_starts_with(GZIP)),
        "kpl_aggregated": is_object | ~F.expr(_starts_with(KPL)),
        "not_a_json_object": is_object | is_empty,
    }


def _is_one_object(text: str) -> str:
    trimmed = _trimmed(text)
    end = f"get_json_object({_last_brace_moved(trimmed)}, '$[\\'{_END}\\']')"
    return f"endswith({trimmed}, '}}') and {end} is not null and {_has_double_quotes(text)}"


def _has_double_quotes(text: str) -> str:
    """Whether all quotes are JSON's own: ``json_tuple`` takes single ones, too, and Athena does not."""
    options = "'allowSingleQuotes', 'false', 'allowUnquotedControlChars', 'true', 'columnNameOfCorruptRecord', 'bad'"
    return f"(not contains({text}, '\\'') or from_json({text}, 'any string, bad string', map({options})).bad is null)"


def _trimmed(text: str) -> str:
    return f"case when endswith({text}, '}}') then {text} else trim(trailing {_WHITE_SPACE} from {text}) end"


def _last_brace_moved(trimmed: str) -> str:
    """Move it behind one more key. A text without a quote holds no key that a comma would have to follow."""
    return f"""
        concat(cast(substr(cast({trimmed} as binary), 1, octet_length({trimmed}) - 1) as string),
               case when instr({trimmed}, '"') = 0 then '' else ',' end, '"{_END}":1}}')
    """


def _starts_with(forms: Sequence[str]) -> str:
    return " or ".join(f"startswith(cast(raw as binary), X'{form}')" for form in forms)
