"""The terraform module by itself: formatted, valid, its own tests, and reading the settings as Python does."""

import json
from types import SimpleNamespace

import pytest

from clickstream.runtime import metrics
from clickstream.runtime.counts import RowCounts
from deploy import ddl, job_arguments, jobs, settings

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_it_is_formatted_and_valid(terraform):
    terraform("fmt", "-check", "-diff", "-recursive")
    terraform("validate")


def test_its_own_tests_pass(terraform):
    assert "0 failed" in terraform("test", "-no-color")


@pytest.mark.parametrize("stage", settings.stages())
def test_it_reads_the_settings_as_python_does(terraform, stage):
    as_json = json.dumps(settings.merged(stage), default=lambda day: f"{day}T00:00:00Z")  # a date is a time to it
    assert terraform.evaluate("local.settings", stage) == json.loads(as_json)


def test_every_role_may_write_to_the_folder_that_jobs_materialize_in(terraform):
    assert terraform.evaluate("local.temp_folder", "dev") == jobs.TEMP_FOLDER
    written = terraform.evaluate("local.written", "dev")
    assert {name for name, folders in written.items() if jobs.TEMP_FOLDER in folders} == set(job_arguments.names())


def test_the_optimizers_role_is_for_every_iceberg_table(terraform):
    tables = {table.name for table in ddl.tables("lake") if table.is_iceberg}
    assert set(terraform.evaluate("local.optimized", "dev")) == tables


def test_the_dashboard_shows_every_metric_of_a_batch(terraform, capsys):
    batch = SimpleNamespace(began=0, batch_interval_seconds=60, snapshot_properties={})
    metrics.emit_batch("events_stream", batch, RowCounts(read=0, written=0), None)
    (emitted,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    lines = [line for chart in terraform.evaluate("local.charts", "dev") for line in chart[2]]
    shown = {line[1] for line in lines if [line[0], *line[2:]] == ["Clickstream", "Job", "events_stream"]}
    assert shown == {metric["Name"] for metric in emitted["Metrics"]}
