"""What ``make demo`` shows, without the jobs."""

import re

import pytest

from local import demo


def test_a_step_shows_what_its_body_says_and_how_long_it_took(capsys):
    with demo.step("Count to two"):
        assert capsys.readouterr().out == "Count to two\n"  # <- while it is being done
        print("one\ntwo")
    assert re.fullmatch(r"  one\n  two \(\d+ s\)\n", capsys.readouterr().out)


def test_a_step_that_fails_passes_on_why(capsys):
    with pytest.raises(SystemExit, match=r"^all of the job's output$"), demo.step("Count to two"):
        raise SystemExit("all of the job's output")
    assert capsys.readouterr().out == "Count to two\n"
