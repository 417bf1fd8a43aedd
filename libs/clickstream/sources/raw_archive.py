"""The raw archive: text lines, plain or gzip, in nested folders, filed by arrival as ``arrived=YYYY-MM-DD/HH/``."""

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import errors, schemas
from clickstream.transforms import json_records


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
        json_records.without_line_end("value").alias("raw"),
        F.col("_metadata.file_path").alias("origin"),
        F.coalesce(_arrival_in("_metadata.file_path"), F.col("_metadata.file_modification_time")).alias("arrived_at"),
    ).to(schemas.RAW_LINE)


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
