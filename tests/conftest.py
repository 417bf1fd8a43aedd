"""UTC, one Spark session and one Trino for the whole run, a local AWS for a module, and a lake for every test."""

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
from local.athena import query, server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-expected", action="store_true", help="write the expected files of golden cases")


FIXTURES = {  # by marker
    "spark": {"spark"},
    "job": {"trial", "new_trial", "run_twice", "loaded"},
    "server": {"endpoint", "athena"},
    "single": {"athena"},
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
def lake_of_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the lake that the one Spark and the one Trino share."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def spark(lake_of_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = lake.session(lake_of_run)
    for name, value in SESSION_SETTINGS.items():
        session.conf.set(name, value)
    session.conf.set("spark.sql.shuffle.partitions", "2")
    session.conf.set(TEMP_DIR, str(tmp_path_factory.mktemp("staging")))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def athena(spark: SparkSession, lake_of_run: Path) -> Iterator[Callable[[str], list[tuple]]]:
    """Give what answers as ``python -m local sql`` does."""
    assert spark.catalog.tableExists("events")  # <- the lake has been made
    yield lambda sql: [tuple(row) for row in query.ask(lake_of_run, sql).rows]
    end_servers(lake_of_run)


@pytest.fixture(autouse=True)
def no_server_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """End what a test's commands have started to answer ``sql``: it would wait ten minutes for more."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder:
        end_servers(folder)


def end_servers(folder: Path) -> None:
    for note in [*folder.glob(f"athena/{server.NOTE}"), *folder.glob(f"*/athena/{server.NOTE}")]:
        note.unlink(missing_ok=True)


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
