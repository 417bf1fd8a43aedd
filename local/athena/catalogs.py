"""What Trino is told of a lake: the connectors behind ``awsdatacatalog``; and where its server has its files."""

import os
from pathlib import Path

from local import jars, lake_bucket

CATALOG, SCHEMA, ICEBERG = "awsdatacatalog", "clickstream", "iceberg"
PROJECTION = {"hive.partition-projection-enabled": "true", "hive.ignore-absent-partitions": "true"}  # as Athena

Catalogs = dict[str, dict[str, str]]


def home(lake: Path | str) -> Path:
    """Return the folder for a server's settings, log and note: in the lake, or for a bucket in the user's cache."""
    return lake / "athena" if isinstance(lake, Path) else jars.USER_CACHE / "athena" / lake.removeprefix("s3://")


def of(lake: Path | str) -> Catalogs:
    """Return the properties of each catalog. Plain tables redirect to Iceberg's by name, as they do in Athena."""
    hive, iceberg = of_folder(lake) if isinstance(lake, Path) else of_bucket(lake)
    return {
        CATALOG: {"connector.name": "hive", "hive.iceberg-catalog-name": ICEBERG, **PROJECTION, **hive},
        ICEBERG: {"connector.name": "iceberg", **iceberg},
    }


def metastore(lake: Path) -> Path:
    """Return the folder that has a folder for each table and view: Trino's file metastore."""
    return home(lake) / "metastore" / SCHEMA


def of_folder(lake: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what Hive and Iceberg read a folder by: both by the files of ``metastore``."""
    files = {"hive.metastore.catalog.dir": f"file://{metastore(lake).parent}"}
    return {"hive.metastore": "file", **files}, {"iceberg.catalog.type": "TESTING_FILE_METASTORE", **files}


def of_bucket(lake: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return what both read a bucket of the local AWS by: its Glue catalog and its S3, with the environment's keys."""
    endpoint = lake_bucket.endpoint(lake)
    aws = {
        "hive.metastore.glue.endpoint-url": endpoint,
        "hive.metastore.glue.region": os.environ["AWS_REGION"],
        "hive.s3.endpoint": endpoint,
        "hive.s3.path-style-access": "true",
        "hive.s3.ssl.enabled": "false",
    }
    return {"hive.metastore": "glue", **aws}, {"iceberg.catalog.type": "glue", **aws}
