"""The terraform module by itself: formatted, valid, its own tests, and reading the settings as Python does."""

import pytest

from deploy import job_arguments, jobs, settings

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_it_is_formatted_and_valid(terraform):
    terraform("fmt", "-check", "-diff", "-recursive")
    terraform("validate")


def test_its_own_tests_pass(terraform):
    assert "0 failed" in terraform("test", "-no-color")


@pytest.mark.parametrize("stage", settings.stages())
def test_it_reads_the_settings_as_python_does(terraform, stage):
    assert terraform.evaluate("local.settings", stage) == settings.merged(stage)


def test_every_role_may_write_to_the_folder_that_jobs_materialize_in(terraform):
    assert terraform.evaluate("local.temp_folder", "dev") == jobs.TEMP_FOLDER
    written = terraform.evaluate("local.written", "dev")
    assert {name for name, folders in written.items() if jobs.TEMP_FOLDER in folders} == set(job_arguments.names())
