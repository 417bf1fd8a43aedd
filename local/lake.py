"""A lake in a folder: Spark with an Iceberg catalog in one SQLite file, and the tables of ddl/."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from clickstream.storage import hive_table
from deploy import ddl
from deploy.jobs import CHEAPER_PLANS
from local import jars, jvm
from local.lake_folder import CATALOG, check_not_moved, remember, remembered

SHARED_CLASSES = Path(sys.prefix) / "spark.jsa"  # made by local/setup.sh


def session(lake: Path, *, c1_only: bool = False) -> SparkSession:
    """Start Spark on the lake, with every table of ``ddl``; raise ``TableError`` for a copy of a lake."""
    lake.mkdir(parents=True, exist_ok=True)
    check_not_moved(lake)
    remember(lake, {"lake": str(lake)})
    spark = start_spark(
        {
            "spark.driver.extraClassPath": ":".join(str(jar) for jar in jars.fetch_for_spark()),
            "spark.sql.adaptive.coalescePartitions.enabled": "false",  # small tasks sort in memory
            "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.lake.default-namespace": "clickstream",
            "spark.sql.catalog.lake.jdbc.schema-version": "V1",
            "spark.sql.catalog.lake.type": "jdbc",
            "spark.sql.catalog.lake.uri": f"jdbc:sqlite:{lake}/{CATALOG}?busy_timeout=30000",
            "spark.sql.catalog.lake.warehouse": str(lake),
            "spark.sql.defaultCatalog": "lake",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.warehouse.dir": f"{lake}/spark-warehouse",
        },
        c1_only=c1_only,
    )
    create_tables(spark, lake)
    return spark


def start_spark(settings: Mapping[str, str], *, c1_only: bool = False) -> SparkSession:
    """Start Spark on this machine, with the settings of a lake; ``c1_only``: without Java's second compiler, C2."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    logging.getLogger("SQLQueryContextLogger").disabled = True  # Spark 4 logs the stack of an error that we report
    log_settings = Path(__file__).with_name("log4j2.properties")
    java_options = ["-XX:+UseParallelGC", f"-Dlog4j2.configurationFile=file:{log_settings}"]
    if c1_only:
        java_options += ["-XX:TieredStopAtLevel=1"]
    if SHARED_CLASSES.exists():  # Java does without, and says so on standard output, where its class path is another
        java_options += [f"-XX:SharedArchiveFile={SHARED_CLASSES}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    of_this_machine = {
        **CHEAPER_PLANS,
        "spark.driver.memory": "4g",
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executorEnv.PYTHONWARNINGS": "ignore:This process:DeprecationWarning",  # of Spark's own workers
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "16",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",  # local/progress.py shows it
    }
    all_settings = of_this_machine | dict(settings)
    jvm.launch(all_settings)
    return SparkSession.builder.master("local[*]").appName("clickstream").config(map={**all_settings}).getOrCreate()


def create_tables(spark: SparkSession, lake: Path) -> None:
    """Apply ``ddl/tables``: Iceberg tables in the catalog, the others as temporary views of their files."""
    spark.sql("create namespace if not exists clickstream")
    paths = remembered(lake)
    for table in ddl.tables(str(lake)):
        if table.is_iceberg:
            spark.sql(ddl.spark_create(table))
        else:
            location = paths.get(table.name, table.location)
            hive_table.read(spark, location, table.schema).createOrReplaceTempView(table.name)


def remember_paths(lake: Path, arguments: list[str]) -> None:
    """Remember where a job put a plain table (``--<table>_path``), as a catalog would."""
    names = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    plain = [table.name for table in ddl.tables(str(lake)) if not table.is_iceberg]
    for name in plain:
        names.add_argument(f"--{name}_path", nargs="?")
    given = vars(names.parse_known_args(arguments)[0])
    paths = {name: _absolute(given[f"{name}_path"]) for name in plain if given[f"{name}_path"]}
    remember(lake, paths)


def _absolute(path: str) -> str:
    return path if ":/" in path else str(Path(path).absolute())
