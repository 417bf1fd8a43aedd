"""Files wherever Spark's paths lead: the local disk, S3."""

from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from clickstream import errors
from clickstream.runtime.arguments import Folder
from clickstream.runtime.glue import temp_dir


def file_system(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Return Hadoop's ``FileSystem`` of the path, and the path as its ``Path``; ``InputError`` where there is none."""
    jvm: Any = spark._jvm  # noqa: SLF001  # Hadoop's own client knows every scheme that the session knows
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    settings = spark._jsparkSession.sessionState().newHadoopConf()  # noqa: SLF001
    try:
        return hadoop_path.getFileSystem(settings), hadoop_path
    except Py4JJavaError as error:
        raise errors.InputError(f"{path}: {error.java_exception.getMessage()}") from error


def check_folders(spark: SparkSession, arguments: Any) -> None:
    """Raise ``InputError`` for a folder among a job's arguments, or ``--TempDir``, whose bucket cannot be reached."""
    folders = {name: value for name, value in vars(arguments).items() if isinstance(value, Folder)}
    for name, path in {**folders, "TempDir": temp_dir(spark)}.items():
        fs, hadoop_path = file_system(spark, path)
        try:
            fs.exists(hadoop_path)
        except Py4JJavaError as error:
            said = str(error.java_exception.getMessage()).splitlines()[0]
            raise errors.InputError(f"--{name} {path}: {said}") from error


def exists(spark: SparkSession, path: str) -> bool:
    """Whether there is a file or folder."""
    fs, hadoop_path = file_system(spark, path)
    return bool(fs.exists(hadoop_path))


def names(spark: SparkSession, folder: str) -> list[str]:
    """List what is in a folder; one that is not there is empty."""
    fs, hadoop_path = file_system(spark, folder)
    try:
        return [status.getPath().getName() for status in fs.listStatus(hadoop_path)]
    except Py4JJavaError as error:
        if "FileNotFoundException" not in str(error.java_exception.toString()):
            raise
        return []


def modified_at(spark: SparkSession, path: str) -> float:
    """Return when a file was written last, in Unix seconds."""
    fs, hadoop_path = file_system(spark, path)
    return int(fs.getFileStatus(hadoop_path).getModificationTime()) / 1000


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
