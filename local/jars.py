"""Spark's jars from Maven Central: exact versions, fetched once into .cache/jars, verified by SHA-256.

``python -m local.jars`` fetches those of the installed Spark. Set ``CLICKSTREAM_JARS`` for another folder.
"""

import hashlib
import logging
import os
import sys
import urllib.request
from pathlib import Path

import pyspark

CACHE = Path(os.environ.get("CLICKSTREAM_JARS", Path(__file__).parent.parent / ".cache" / "jars"))
MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
SQLITE = (
    "org/xerial/sqlite-jdbc/3.50.3.0/sqlite-jdbc-3.50.3.0.jar",
    "a3f53a2aa15ae9425a9e793bbe9c8e5288febeb4b65ef5c1a4e80d4c2045cf08",
)
JARS = {  # the path in Maven Central and the SHA-256, by Spark's version
    "4.1": [
        (
            "org/apache/iceberg/iceberg-spark-runtime-4.1_2.13/1.11.0/iceberg-spark-runtime-4.1_2.13-1.11.0.jar",
            "d6ea6c5d099288daeb7d5a92061bd3d7d8f296492632b42378e5f2f0e3066242",
        ),
        SQLITE,
    ],
    "3.5": [
        (
            "org/apache/iceberg/iceberg-spark-runtime-3.5_2.12/1.11.0/iceberg-spark-runtime-3.5_2.12-1.11.0.jar",
            "94b8e36fc329f0293d44ba9e01b784a56e9501affec1842d898144c51f6e486a",
        ),
        SQLITE,
    ],
}

logger = logging.getLogger(__name__)


def fetch() -> list[Path]:
    """Return the jars of the installed Spark; fetch missing ones first."""
    version = pyspark.__version__.rpartition(".")[0]
    if version not in JARS:
        sys.exit(
            f"setup: Spark {pyspark.__version__} is not supported (supported: {', '.join(JARS)});"
            " create the environment with local/setup.sh 6.0 or local/setup.sh 5.1"
        )
    return [_fetched(path, sha256) for path, sha256 in JARS[version]]


def _fetched(path: str, sha256: str) -> Path:
    jar = CACHE / path.rpartition("/")[2]
    if not jar.exists():
        logger.info("%s -> %s", jar.name, CACHE)
        with urllib.request.urlopen(f"{MAVEN_CENTRAL}/{path}") as response:  # noqa: S310  # https, from above
            content = response.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise OSError(f"{path} from Maven Central does not have the SHA-256 {sha256}")
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = jar.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(jar)
    return jar


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="setup: %(message)s")
    fetch()
