"""The state of ``sessions_stream``: a folder of Parquet for each batch, beside the stream's checkpoint."""

from pyspark.sql import DataFrame, SparkSession

from clickstream import errors
from clickstream.storage import files
from clickstream.transforms.live_sessions import STATE


def read(spark: SparkSession, path: str, batch: int) -> DataFrame:
    """Read what the batch before has left; raise ``InputError`` where it is not there."""
    before = [number for number in _batches(spark, path) if number < batch]
    if batch and not before:
        raise errors.InputError(
            f"{path} holds nothing of the batches before {batch}; with another gap or maximum length, begin another"
            " checkpoint"
        )
    return _read(spark, f"{path}/{max(before)}") if before else spark.createDataFrame([], STATE)


def write(state: DataFrame, path: str, batch: int) -> DataFrame:
    """Write what a batch leaves, in place of what an earlier attempt of it has left; keep the batch before."""
    spark = state.sparkSession
    state.write.mode("overwrite").parquet(f"{path}/{batch}")
    for number in sorted(number for number in _batches(spark, path) if number < batch)[:-1]:
        fs, folder = files.file_system(spark, f"{path}/{number}")
        fs.delete(folder, True)
    return _read(spark, f"{path}/{batch}")


def _read(spark: SparkSession, path: str) -> DataFrame:
    return spark.read.schema(STATE).parquet(path)


def _batches(spark: SparkSession, path: str) -> list[int]:
    if not files.exists(spark, path):
        return []
    fs, folder = files.file_system(spark, path)
    names = [status.getPath().getName() for status in fs.listStatus(folder)]
    return [int(name) for name in names if name.isdecimal()]
