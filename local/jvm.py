"""Spark's Java process, without the line that Java greets with."""

import os
import threading
from collections.abc import Mapping

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway

GREETING = b"WARNING: Using incubator modules: jdk.incubator.vector"  # no option of Java turns it off


def launch(settings: Mapping[str, str]) -> None:
    """Start Java with Spark's settings, unless it runs already; pass on what it writes to standard error."""
    if SparkContext._gateway:  # noqa: SLF001  # where a session looks for it
        return
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    read_end, write_end = os.pipe()
    try:
        gateway = launch_gateway(conf, {"stderr": write_end})  # type: ignore[no-untyped-call]
    finally:
        os.close(write_end)
        threading.Thread(target=pass_on, args=(read_end,), daemon=True).start()
    SparkContext._ensure_initialized(gateway=gateway)  # noqa: SLF001


def pass_on(read_end: int) -> None:
    """Write what arrives to standard error, but the greeting."""
    with os.fdopen(read_end, "rb") as lines:
        for line in lines:
            if not line.startswith(GREETING):
                os.write(2, line)
