"""A few rounds of ``make chaos``: the same, but bounded."""

import pytest

pytest.importorskip("pyspark.sql.datasource", reason="Spark 3.5 has no data sources in Python")

from tools.chaos.crashes import crash
from tools.chaos.progress import TABLE_ONLY, TABLES_ONLY
from tools.chaos.scenario import Scene


def test_kill_9_between_the_commit_the_quarantine_and_the_checkpoint(endpoint, tmp_path):
    scene = Scene(endpoint, tmp_path, events=3_000, seed=1)
    stood = crash(scene, ["published", "quarantined"])
    verdict = scene.settle()
    assert stood == {TABLE_ONLY: 1, TABLES_ONLY: 1}
    assert verdict.is_right, verdict
    assert verdict.events >= 3_000
    assert verdict.retried > 100
    assert verdict.refused > 10
