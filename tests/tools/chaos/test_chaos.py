"""A few rounds of ``make chaos``: the same, but bounded."""

import pytest

pytest.importorskip("pyspark.sql.datasource", reason="Spark 3.5 has no data sources in Python")

from tools.chaos.crashes import crash
from tools.chaos.progress import TABLE_ONLY, TABLES_ONLY
from tools.chaos.scenario import Scenario

pytestmark = [pytest.mark.server, pytest.mark.process, pytest.mark.proof]  # half a minute for each start of Spark


def test_kill_9_between_the_commit_the_quarantine_and_the_checkpoint(endpoint, tmp_path):
    scenario = Scenario(endpoint, tmp_path, events=3_000, seed=1)
    stood = crash(scenario, ["published", "quarantined"])
    result = scenario.finish()
    assert stood == {TABLE_ONLY: 1, TABLES_ONLY: 1}
    assert result.is_right, result
    assert result.events >= 3_000
    assert result.retried > 100
    assert result.malformed > 10
