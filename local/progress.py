"""A line on the terminal that says what Spark is at, while it is at it."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

EVERY_SECONDS = 0.5
ERASE = "\r\x1b[K"


@contextmanager
def shown(spark: SparkSession, title: str) -> Iterator[None]:
    """Show the seconds and the tasks of the stages that run; nothing where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=show, args=(spark, title, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def show(spark: SparkSession, title: str, ended: threading.Event) -> None:
    """Write the line again and again, and erase it in the end."""
    began = time.monotonic()
    while not ended.wait(EVERY_SECONDS):
        sys.stderr.write(f"{ERASE}{title}: {time.monotonic() - began:.0f} s{tasks(spark)}\r")
        sys.stderr.flush()
    sys.stderr.write(ERASE)
    sys.stderr.flush()


def tasks(spark: SparkSession) -> str:
    """Say how many tasks of the running stages have ended."""
    tracker = spark.sparkContext.statusTracker()
    stages = [stage for number in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(number))]
    if not stages:
        return ", planning"
    return f", {sum(stage.numCompletedTasks for stage in stages)} of {sum(stage.numTasks for stage in stages)} tasks"
