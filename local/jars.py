"""Jars from Maven Central: exact versions, fetched once into the user's cache folder, verified by SHA-256.

``python -m local.jars`` fetches those of the installed Spark, and of the lists that it is given; a lake on s3:// and
the first ``python -m local sql`` have more, fetched when they are needed. Set ``CLICKSTREAM_JARS`` for another folder.
"""

import fcntl
import hashlib
import logging
import os
import sys
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clickstream"
CACHE = Path(os.environ.get("CLICKSTREAM_JARS") or USER_CACHE / "jars")
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

AWS_SDK = "2.44.4"  # what Iceberg 1.11 is built with; of its modules those that S3, Glue and KMS need
AWS_SDK_MODULES = {
    "annotations": "d2901cd3c758d270951645e787efcd780569df2c9581059078cfc2d77296e8b8",
    "apache-client": "fbb70fc1699ead81093b712bb0380fdaf8052c154ece8b01d60c9a787e2bcca3",
    "arns": "64cdda590b40b03efe03ed091d7c66cc819a10b4230384836cbda7291c146c83",
    "auth": "4e2a38c9b4e1e53bbcdb2a1817d3380e9ec8d7b403ebfb020915c8b44b14f91e",
    "aws-core": "4ab943f54ac3222f2c836fbeef1b89f6ca0642ca905415bb76ddf98858f05f4b",
    "aws-json-protocol": "03e3396a20dd76148db0a892cdd634311d651b8d05aea6e55941efc137807a78",
    "aws-query-protocol": "de594894d260d2ff20de462b095505dbe271f5fb064c66e0a2341f84e322b234",
    "aws-xml-protocol": "a20ffb146ed97193ccc1f6b63290a30c8b5bf8799cfe847770454ab5661b78ce",
    "checksums-spi": "a1d0a70a9204ba103b714722d0d4e7585f7042514ec46d7f2cae1d884e26eba1",
    "checksums": "03d9c4454cf4ca3f504cd48c2ecec2dfe9976414998336e5e4ab1d29d7f8367f",
    "crt-core": "6485aecce39322a44d9cc3ec7a583d690d40592bdbc0b0c13d3c741593a9b8d7",
    "dynamodb": "729394d59b2c6547a4695d3a4ce42d501ece75f94fbd5b789565c695821756a4",
    "endpoints-spi": "41c2f1f177b7ff3c587266e9692294844386a2aa75e900dc6121883e7c419dae",
    "glue": "9d0a8a5c21708d9feb75360bd4b521995fcd744844acd25ba3fd9f2afc34508f",
    "http-auth-aws-eventstream": "85e245cb0f9ba18ba8a6b155bfadfe8b7230bba9b9c0cccf77f06e160868d4ff",
    "http-auth-aws": "3bfaaa2643d5d7bf262b2fb126c18d45148199dfa80f0b0eef918a84e4d140af",
    "http-auth-spi": "dc488fc63453e4bf064d3c01657c8b5b1ffb057481a974ba4297586a9880111b",
    "http-auth": "e6f809fb62225c2886abaf4bf30415f61455efd8dda7c6790bb33c340efb2897",
    "http-client-spi": "1f3ce8f720040b30a5b9302a2408088dedf23cbebd0a4a542f07f8a65e08635a",
    "identity-spi": "38ec7bee228295305380ac0362166c6b4b2646551e105d726fca0cc1b85b3d5b",
    "json-utils": "71d764c026f824ae84a85c5722840284a6de7d29e5c74a56bcc50ce2a8115c87",
    "kms": "978cc9fc31e54d7451fc1dfe3e2a90a837b3fbcb73ae1aca534b9bbdd2ebf055",
    "metrics-spi": "40f1f20bdde15142d33ca443b173c3cd74af3792cc23bd825e9ce552a5e359e9",
    "netty-nio-client": "f1035c27d74ee79becf582ccd7fb25694ab2ec215437b1fb30860690073cd337",
    "profiles": "36b7041ce819f9647bf28bf21f5454b7e55e62349b287b1f05ccfbd380104f60",
    "protocol-core": "85e29d56f4575632f3cd9473ab95ff027bf6915e4b12c3b4a8345c822dd1509f",
    "regions": "d0b81f78a20ffc7782d490fe928ca46bc171e2eed6a872fd2b18b5c558a5d014",
    "retries-spi": "613b1f84bf2ee497fa3ad2e2a49b0a4174eb9cca141fc6ae5811c9f8b0addbc5",
    "retries": "244020fcd7403823a21d499c79998a305d98337755cdec82ea1b4b6d09769fe4",
    "s3-transfer-manager": "dbcad736b19f6eb8471f9edf027d9fffe994228f25f415894efd01fd80cb6c02",
    "s3": "d931cba934c28141a68c728e735954d960df0a49e75f9b0eb79bed797348e03b",
    "sdk-core": "9e6ef03dae0dcfddb848dae881f7a4222a6b624ecde4a5bf6f753feefa96ed29",
    "sts": "09f75d46eae589ac089a2cb02d843091c951daa80e0036025233375d553712a4",
    "third-party-jackson-core": "55093470bf65685907c5a374eeb1d3016fb3e3645cac9c745301e9aaaf0188c2",
    "utils-lite": "472f56a1c724c6e639ceaf3c0e5f1546b0c5fd04eadcd46661b65303f56ea178",
    "utils": "85ca7ffb2319a9a5248d7a3f7935ac98e3c8f248eebac5a056a0ac09c0c7c752",
}
S3_JARS = [  # S3A of Spark 4.1's Hadoop, and the clients of S3 and Glue
    (
        "org/apache/hadoop/hadoop-aws/3.4.2/hadoop-aws-3.4.2.jar",
        "d2d24e6b715b5656b9d238bf13b6682a07e2004dd36aad74a73aeb854319f4d9",
    ),
    (
        "org/reactivestreams/reactive-streams/1.0.4/reactive-streams-1.0.4.jar",
        "f75ca597789b3dac58f61857b9ac2e1034a68fa672db35055a8fb4509e325f28",
    ),
    (
        "software/amazon/eventstream/eventstream/1.0.1/eventstream-1.0.1.jar",
        "0c37d8e696117f02c302191b8110b0d0eb20fa412fce34c3a269ec73c16ce822",
    ),
    (
        "software/amazon/s3/analyticsaccelerator/analyticsaccelerator-s3/1.2.1/analyticsaccelerator-s3-1.2.1.jar",
        "11029552e37408e41e689b20150f4b372e0b4f232de321ccafd0fcf443cdfb5a",
    ),
    *[
        (f"software/amazon/awssdk/{module}/{AWS_SDK}/{module}-{AWS_SDK}.jar", sha256)
        for module, sha256 in AWS_SDK_MODULES.items()
    ],
]

CONNECTIONS = 8

logger = logging.getLogger(__name__)


class FetchError(Exception):
    """A jar is not to be had; the message is one sentence."""


def fetch_for_spark() -> list[Path]:
    """Return the jars of the installed Spark; fetch missing ones first."""
    import pyspark  # noqa: PLC0415  # a third of a second, which those who need no Spark do not spend

    version = pyspark.__version__.rpartition(".")[0]
    if version not in JARS:
        sys.exit(
            f"setup: Spark {pyspark.__version__} is not supported (supported: {', '.join(JARS)});"
            " create the environment with local/setup.sh 6.0 or local/setup.sh 5.1"
        )
    return fetch(JARS[version])


def fetch_for_s3() -> list[Path]:
    """Return the jars that Spark needs besides for a lake on s3://; fetch missing ones first."""
    return fetch(S3_JARS)


def listed(path: Path) -> list[tuple[str, str]]:
    """Read a list of jars: a line each, the path in Maven Central and the SHA-256."""
    jars = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return [(jar, sha256) for jar, sha256 in jars]


def fetch(jars: Iterable[tuple[str, str]]) -> list[Path]:
    """Return the files of jars; fetch missing ones first, several at a time. Raise ``FetchError``."""
    files = {CACHE / path.rpartition("/")[2]: (path, sha256) for path, sha256 in jars}
    if any(not file.exists() for file in files):
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be fetching the same
            missing = [file for file in files if not file.exists()]
            logger.info("fetching %d jars from Maven Central, which may take a minute, once -> %s", len(missing), CACHE)
            with ThreadPoolExecutor(CONNECTIONS) as connections:
                for number, file in enumerate(connections.map(lambda file: _fetch(file, *files[file]), missing), 1):
                    if number % 20 == 0 or number == len(missing):
                        logger.info("%d of %d: %s", number, len(missing), file.name)
    return list(files)


def _fetch(file: Path, path: str, sha256: str) -> Path:
    try:
        with urllib.request.urlopen(f"{MAVEN_CENTRAL}/{path}", timeout=60) as response:  # noqa: S310  # https, from above
            content = response.read()
    except OSError as error:
        raise FetchError(f"{path} cannot be fetched from Maven Central: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise FetchError(f"{path} from Maven Central does not have the SHA-256 {sha256}")
    partial = file.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(file)
    return file


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="setup: %(message)s")
    try:
        fetch_for_spark()
        for name in sys.argv[1:]:
            fetch(listed(Path(name)))
    except FetchError as error:
        sys.exit(f"setup: {error}")
