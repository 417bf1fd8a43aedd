"""The terraform module by itself: formatted, valid, its own tests, and reading the settings as Python does."""

import pytest

from deploy import settings

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_it_is_formatted_and_valid(terraform):
    terraform("fmt", "-check", "-diff", "-recursive")
    terraform("validate")


def test_its_own_tests_pass(terraform):
    assert "0 failed" in terraform("test", "-no-color")


@pytest.mark.parametrize("stage", settings.stages())
def test_it_reads_the_settings_as_python_does(terraform, stage):
    assert terraform.evaluate("local.settings", stage) == settings.merged(stage)
