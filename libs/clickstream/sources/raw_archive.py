"""The raw archive: text lines in nested folders, filed by arrival as ``arrived=YYYY-MM-DD/HH/``.

A file's suffix says how it is compressed. A file that cannot be read, that holds bytes but no line, or gzip under
another name, is an ``InputError`` that names it.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa  # type: ignore[import-untyped]
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.transforms import json_records

FORMS = "plain, or by their suffix .gz, .deflate or (Spark 4) .zst"  # whose damage Spark sees
NOT_READ = (".bz2", ".lz4", ".snappy")  # a part of such a file is read as if it were all, or no line of it is

_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".deflate": zlib.decompress,
    ".zst": lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
}
_MOST_BYTES_OF_NOTHING = 1 << 16  # a larger file is not empty, however it is compressed
_ARRIVED = re.compile(r"arrived(=|%3d)", re.IGNORECASE)
_FILE_OF_ERROR = re.compile(r"while reading file (\S+?)\.?(\s|$)")
_OF_A_FILE = ("java.io.", "java.util.zip.", "java.lang.RuntimeException: native")  # how errors begin


def read_lines(spark: SparkSession, path: str) -> DataFrame:
    """Read every record below ``path`` as ``schemas.RAW_LINE``; a folder without files gives no rows.

    A line arrived when its folder says (to the hour), or else when its file was last modified.
    """
    try:
        lines = _text(spark, path)
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        raise errors.InputError(f"--raw_path {path} does not exist") from error
    except Py4JJavaError as error:
        raise errors.InputError(f"--raw_path {path}: {error.java_exception.getMessage()}") from error
    files = _files(lines)
    if not_read := [file for file in files if file.lower().endswith(NOT_READ)]:
        raise errors.InputError(f"{_named(not_read)} is not read: files must be {FORMS}")
    _check_arrivals(files)
    records = lines.select(
        _record_in("value").alias("raw"),
        F.col("_metadata.file_path").alias("origin"),
        F.coalesce(_arrival_in("_metadata.file_path"), F.col("_metadata.file_modification_time")).alias("arrived_at"),
    )
    return records.transform(json_records.split_records).to(schemas.RAW_LINE)


@contextmanager
def read_errors(lines: DataFrame) -> Iterator[None]:
    """Raise ``InputError`` where Spark cannot read one of the lines' files in the body: torn, or misnamed."""
    try:
        yield
    except Py4JJavaError as error:
        *causes, root = _causes(error)
        named = _FILE_OF_ERROR.search(" ".join([*causes, root]))
        file = named[1] if named else _failing_file(lines) if root.startswith(_OF_A_FILE) else None
        if file is None:
            raise
        raise errors.InputError(f"{unquote(file)} cannot be read: {root.partition(': ')[2] or root}") from error


def check_files(lines: DataFrame, validated: DataFrame) -> None:
    """Raise ``InputError`` where a file holds bytes but no line, or gzip though its name does not say so.

    ``validated`` are all the rows that the lines became.
    """
    holds_gzip = F.max(F.coalesce(F.array_contains("reasons", "gzip_compressed"), F.lit(False)))
    seen = {row[0]: row[1] for row in validated.groupBy("origin").agg(holds_gzip).collect()}
    spark = lines.sparkSession
    unread = [file for file in _files(lines) if file not in seen]
    if unread and (unread := _not_empty(spark, unread)):
        raise errors.InputError(f"{_named(unread)}: bytes, but no line; files are read {FORMS}")
    misnamed = (
        file
        for file in sorted(seen)
        if seen[file] and not file.endswith((*_DECOMPRESS, ".zst")) and _is_gzip(spark, file)
    )
    if file := next(misnamed, None):
        raise errors.InputError(f"{unquote(file)} is gzip, but its name does not end in .gz")


def _text(spark: SparkSession, *paths: str) -> DataFrame:
    return spark.read.option("recursiveFileLookup", "true").option("lineSep", "\n").text(list(paths))


def _files(lines: DataFrame) -> list[str]:
    """Return the files that were listed, as ``origin`` has them: with one slash where no host stands."""
    return sorted(re.sub("^([a-z0-9]+:)///", r"\1/", file) for file in lines.inputFiles())


def _path(file: str) -> str:
    """Return a file's URL as a path that Spark does not take for a pattern."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", unquote(file))


def _check_arrivals(files: Sequence[str]) -> None:
    """Raise ``InputError`` for a folder that is called ``arrived=``, but says no hour: its file's date is another."""
    for folder in {file.rpartition("/")[0] for file in files}:
        folders = unquote(folder).split("/")
        arrived = [number for number, name in enumerate(folders) if _ARRIVED.match(name)]
        if arrived and not _is_arrival(*folders[arrived[-1] :][:2]):
            named = "/".join(folders[: arrived[-1] + 2])
            raise errors.InputError(f"{named} says no hour of arrival: it must end in arrived=YYYY-MM-DD/HH")


def _is_arrival(day: str, hour: str = "00") -> bool:
    try:
        date.fromisoformat(day.removeprefix("arrived="))
    except ValueError:
        return False
    return bool(re.fullmatch(r"arrived=2\d{3}-\d\d-\d\d", day) and re.fullmatch(r"[01]\d|2[0-3]", hour))


def _record_in(line: str) -> Column:
    """Give back the record that is archived as a line: ``lambdas.archive_lines`` writes some in base64."""
    return F.expr(f"""
        case when startswith({line}, '\x1e') and octet_length({line}) > 1
             then coalesce(cast(try_to_binary(substr({line}, 2), 'base64') as string), {line}) else {line} end
    """)


def line_of(record: str) -> Column:
    """Write a record, given in SQL, as a line, as ``lambdas.archive_lines`` does."""
    is_plain = (
        f"not contains({record}, '\n') and not startswith({record}, '\x1e') and not startswith({record}, '\ufeff')"
    )
    in_base64 = f"concat('\x1e', regexp_replace(base64(cast({record} as binary)), '[^A-Za-z0-9+/=]', ''))"
    return F.expr(f"if({is_plain}, {record}, {in_base64})")


def _arrival_in(path: str) -> Column:
    """``…/arrived=2024-03-17/10/…`` -> 2024-03-17 10:00; null where no such folder is in the path."""
    arrival = f"substring_index({path}, '/arrived=', -1)"
    hour = f"if(instr(substr({arrival}, 12), '/') = 0, 0, cast(substr({arrival}, 12, 2) as int))"
    return F.expr(f"""
        if(instr({path}, '/arrived=') = 0, null,
            timestamp_seconds(unix_date(cast(left({arrival}, 10) as date)) * 86400L + 3600 * {hour}))
    """)


def _causes(error: Py4JJavaError) -> list[str]:
    """Return what Java says, from the outermost exception to the first."""
    causes, cause = [], error.java_exception
    while cause is not None:
        causes.append(str(cause.toString()).partition("\n")[0])
        cause = cause.getCause()
    return causes


def _failing_file(lines: DataFrame) -> str | None:
    """Find the first file that cannot be read, by halves: Spark 3.5 does not always name it."""
    files = _files(lines)
    while files and _fails(lines.sparkSession, files):
        if len(files) == 1:
            return files[0]
        half = files[: len(files) // 2]
        files = half if _fails(lines.sparkSession, half) else files[len(half) :]
    return None


def _fails(spark: SparkSession, files: Sequence[str]) -> bool:
    try:
        _text(spark, *map(_path, files)).count()
    except Py4JJavaError:
        return True
    return False


def _not_empty(spark: SparkSession, files: Sequence[str]) -> list[str]:
    """Return those of the files that hold anything, and would if they were not compressed."""
    contents = spark.read.format("binaryFile").load([_path(file) for file in files]).where("length > 0")
    held = {row[0] for row in contents.select("_metadata.file_path").collect()}
    small = contents.where(F.col("length") <= _MOST_BYTES_OF_NOTHING).select("_metadata.file_path", "content")
    return sorted(held - {file for file, content in small.collect() if _is_nothing(file, bytes(content))})


def _is_nothing(file: str, content: bytes) -> bool:
    decompress = _DECOMPRESS.get(PurePosixPath(file).suffix, bytes)
    try:
        return not decompress(content).strip()
    except (OSError, EOFError, ValueError, zlib.error):
        return False


def _is_gzip(spark: SparkSession, file: str) -> bool:
    """Whether the file itself is gzip: its first line begins as gzip, but is not a record that is gzip as a whole."""
    first: Any = _text(spark, _path(file)).select(F.col("value").cast("binary")).first()
    member = zlib.decompressobj(wbits=31)
    try:
        member.decompress(bytes(first[0]))
    except zlib.error:
        return False
    return not member.eof


def _named(files: Sequence[str]) -> str:
    others = f" and {len(files) - 1:,} more files" if len(files) > 1 else ""
    return unquote(files[0]) + others
