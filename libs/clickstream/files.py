"""Files wherever Spark's paths lead: the local disk, S3."""

from typing import Any

from pyspark.sql import SparkSession


def file_system(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Return Hadoop's ``FileSystem`` of the path, and the path as its ``Path``."""
    jvm: Any = spark._jvm  # noqa: SLF001  # Hadoop's own client knows every scheme that the session knows
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), hadoop_path  # noqa: SLF001


def exists(spark: SparkSession, path: str) -> bool:
    """Whether there is a file or folder."""
    fs, hadoop_path = file_system(spark, path)
    return bool(fs.exists(hadoop_path))


def write_text(spark: SparkSession, path: str, text: str) -> None:
    """Write a small file whole, in place of one that is there."""
    fs, hadoop_path = file_system(spark, path)
    stream = fs.create(hadoop_path, True)
    try:
        stream.write(text.encode())
    finally:
        stream.close()


def move(fs: Any, source: Any, target: Any) -> None:
    """Move a file; raise ``OSError`` where the file system says no."""
    fs.mkdirs(target.getParent())
    if not fs.rename(source, target):
        raise OSError(f"{source} cannot be moved to {target}")
