"""UTC, one Spark session for the whole run, a local AWS for a module, and a lake of its own for every test."""

# ruff: noqa: E402 - the zone is set before anything reads it

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["TZ"] = "UTC"  # before Spark starts
time.tzset()
# Short plans never pay for the second compiler; without it Java keeps a fifth of that code, and compiles again what it
# has dropped.
os.environ["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=400m"
sys.path.insert(0, str(Path(__file__).parent.parent / "glue_jobs"))

import hypothesis
import pytest
from pyspark.sql import SparkSession
from trial import Trial

from clickstream.runtime.glue import SESSION_SETTINGS, TEMP_DIR
from local import aws, lake


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-expected", action="store_true", help="write the expected files of golden cases")


FIXTURES = {  # by marker
    "spark": {"spark"},
    "job": {"trial", "new_trial", "run_twice", "loaded"},
    "server": {"endpoint"},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what their fixtures cost."""
    for item in items:
        for marker, fixtures in FIXTURES.items():
            if fixtures & set(getattr(item, "fixturenames", ())):
                item.add_marker(marker)


hypothesis.settings.register_profile("nightly", max_examples=1_000, deadline=None)
if os.environ.get("HYPOTHESIS_PROFILE"):
    hypothesis.settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = lake.session(tmp_path_factory.mktemp("lake"))
    for name, value in SESSION_SETTINGS.items():
        session.conf.set(name, value)
    session.conf.set("spark.sql.shuffle.partitions", "2")
    session.conf.set(TEMP_DIR, str(tmp_path_factory.mktemp("staging")))
    yield session
    session.stop()


@pytest.fixture
def trial(spark: SparkSession, tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(spark, tmp_path)
    yield trial
    assert trial.columns_with_a_zone() == []  # <- Athena could not read them


@pytest.fixture
def new_trial(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Trial]:
    """Give what makes a lake for each example of a property."""
    return lambda: Trial(spark, tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Run a local AWS for each module that asks for one."""
    with aws.running() as endpoint:
        yield endpoint
