"""The raw archive: text lines, plain or gzip, in nested folders, filed by arrival as ``arrived=YYYY-MM-DD/HH/``."""

from collections.abc import Sequence
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.quarantine import Rules

# A number with a point or an exponent, a boolean, an object, an array; whole numbers do as well as text.
NOT_AN_ID = r'^(-?\d+([.]\d*)?[eE][+-]?\d+|-?\d+[.]\d*|"?-?Infinity"?|"?NaN"?|true|false|[\[{].*)\z'

# The first bytes of what is not a line, as sent and as a reader that decodes UTF-8 hands it on.
GZIP = ("1F8B", "1FEFBFBD")
KPL = ("F3899AC2", "EFBFBDEFBFBD0A")  # many records in one, by the Kinesis Producer Library

_END = f"end of the line {uuid4().hex}"  # a key that no producer can send


def read_lines(spark: SparkSession, path: str) -> DataFrame:
    """Read every line below ``path`` as ``schemas.RAW_LINE``; a folder without files gives no rows.

    A line arrived when its folder says (to the hour), or else when its file was last modified.
    """
    try:
        lines = spark.read.option("recursiveFileLookup", "true").option("lineSep", "\n").text(path)
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        raise errors.InputError(f"--raw_path {path} does not exist") from error
    except Py4JJavaError as error:
        raise errors.InputError(f"--raw_path {path}: {error.java_exception.getMessage()}") from error
    return lines.select(
        without_line_end("value").alias("raw"),
        F.col("_metadata.file_path").alias("origin"),
        F.coalesce(_arrival_in("_metadata.file_path"), F.col("_metadata.file_modification_time")).alias("arrived_at"),
    ).to(schemas.RAW_LINE)


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
    """Say what has to hold for a line, by the reason it is refused for otherwise."""
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


def _arrival_in(path: str) -> Column:
    """``…/arrived=2024-03-17/10/…`` -> 2024-03-17 10:00; null where no such folder is in the path."""
    folders = f"substring_index({path}, '/arrived=', -1)"
    day, hour = f"try_cast(left({folders}, 10) as date)", f"try_cast(substr({folders}, 12, 2) as int)"
    is_day = f"left({folders}, 1) = '2' and substr({folders}, 11, 1) = '/'"
    has_no_hour = f"instr(substr({folders}, 12), '/') = 0"
    return F.expr(f"""
        timestamp_seconds(unix_date(if({is_day}, {day}, null)) * 86400L + 3600 * case
            when substr({folders}, 14, 1) = '/' and {hour} between 0 and 23 then {hour}
            when {has_no_hour} then 0 end)
    """)
