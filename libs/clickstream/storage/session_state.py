"""The state of ``sessions_stream``: a folder of Parquet for each batch, beside the stream's checkpoint.

A folder is called <batch>-<version>-<watermark>, so that even a state without rows says how far the stream is. Each
attempt of a batch has a version, and thereby a folder, of its own; the last one counts. The others stay until the next
batch, since they say what may have been sent: a folder is written first. A batch that changes nothing leaves none.
"""

import re
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession

from clickstream import errors
from clickstream.storage import files
from clickstream.transforms.live_sessions import STATE


class StateFolder(NamedTuple):
    """What a folder's name says; they sort from the oldest batch and attempt to the newest."""

    batch: int
    version: int
    watermark: int  # Unix ms; 0: nothing has arrived

    @property
    def name(self) -> str:
        """The name below the path of the state."""
        return f"{self.batch}-{self.version}-{self.watermark}"


class Attempt(NamedTuple):
    """What an earlier attempt of a batch has left, and may have sent."""

    rows: DataFrame
    watermark: int


class State(NamedTuple):
    """What a batch starts from."""

    rows: DataFrame
    watermark: int  # that the batch before has left
    last_version: int  # that was sent, maybe by an earlier attempt of this batch
    attempts: list[Attempt]
    is_initial: bool  # no batch has left anything


def read(spark: SparkSession, path: str, batch: int) -> State:
    """Read what the batch before has left; raise ``InputError`` where it is not there.

    The first batch of a checkpoint may have been begun with another gap, so with a state at another path beside it.
    """
    folders = {path: _folders(spark, path)}
    if batch == 0:
        beside, own = path.rsplit("/", 1)
        folders |= {
            f"{beside}/{name}": _folders(spark, f"{beside}/{name}")
            for name in files.names(spark, beside)
            if name != own
        }
    last_version = max((folder.version for found in folders.values() for folder in found), default=0)
    attempts = [
        Attempt(_read(spark, f"{parent}/{folder.name}"), folder.watermark)
        for parent, found in folders.items()
        for folder in found
        if folder.batch >= batch  # later ones are of a checkpoint that was there before
    ]
    before = [folder for folder in folders[path] if folder.batch < batch]
    if before:
        rows = _read(spark, f"{path}/{before[-1].name}")
        return State(rows, before[-1].watermark, last_version, attempts, is_initial=False)
    if batch:
        raise errors.InputError(
            f"{path} holds nothing of the batches before {batch}; with another gap or maximum length, begin another"
            " checkpoint"
        )
    return State(spark.createDataFrame([], STATE), 0, last_version, attempts, is_initial=True)


def write(rows: DataFrame, path: str, written: StateFolder) -> DataFrame:
    """Write what a batch leaves; of what is older keep the state that it has started from, and its own attempts."""
    spark = rows.sparkSession
    rows.write.mode("append").parquet(f"{path}/{written.name}")
    folders = _folders(spark, path)
    started_from = [folder for folder in folders if folder.batch < written.batch][-1:]
    for old in folders:
        if old.batch != written.batch and old not in started_from:
            fs, folder = files.file_system(spark, f"{path}/{old.name}")
            fs.delete(folder, True)
    return _read(spark, f"{path}/{written.name}")


def _read(spark: SparkSession, path: str) -> DataFrame:
    return spark.read.schema(STATE).parquet(path)


def _folders(spark: SparkSession, path: str) -> list[StateFolder]:
    names = files.names(spark, path)
    return sorted(StateFolder(*map(int, name.split("-"))) for name in names if re.fullmatch(r"\d+-\d+-\d+", name))
