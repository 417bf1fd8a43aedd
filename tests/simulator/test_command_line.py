"""``python -m simulator``."""

import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from simulator import FORMATS, Options, produce
from simulator.__main__ import main

PROJECT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.process
@pytest.mark.parametrize("format_name", FORMATS)
def test_the_same_seed_gives_the_same_bytes_in_another_process(format_name, tmp_path):
    for number in ("1", "2"):
        command = [
            sys.executable,
            "-m",
            "simulator",
            format_name,
            "--out",
            tmp_path / number,
            "--rows",
            "500",
            "--malformed",
            "0.1",
        ]
        subprocess.run(command, check=True, cwd=PROJECT, env=os.environ | {"PYTHONHASHSEED": number})
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) > 10  # files


def test_another_seed_gives_other_rows(tmp_path):
    produce("events", tmp_path / "1", Options(rows=100, seed=1))
    produce("events", tmp_path / "2", Options(rows=100, seed=2))
    assert contents(tmp_path / "1") != contents(tmp_path / "2")


def test_every_option_of_the_command_line_reaches_the_producer(tmp_path, capsys, caplog):
    caplog.set_level(logging.INFO, "simulator")
    main(f"events --out {tmp_path}/a --rows 50 --start 2024-12-31 --no-gzip --duplicates 1".split())
    produce("events", tmp_path / "b", Options(rows=50, start=date(2024, 12, 31), gzip=False, duplicates=1.0))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    (answer,) = capsys.readouterr().out.splitlines()
    assert "100 lines = 50 distinct + 50 duplicates" in answer
    assert caplog.messages[0].startswith("arrived=2024-12-31: ")
    assert sum(int(message.split()[1]) for message in caplog.messages) == 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--duplicates 1.5", "duplicates is a share between 0 and 1, not 1.5."),
        ("--late=-0.1", "late is a share between 0 and 1, not -0.1."),
        ("--malformed nan", "malformed is a share between 0 and 1, not nan."),
        ("--rows 0", "rows must be at least 1, not 0."),
        ("--days 0", "days must be at least 1, not 0."),
        ("--days 100000", "days and late_days must be at most 3650."),
        ("--users=-5", "users must be at least 1, not -5."),
        ("--skew=-1", "skew must be between 0 and 10, not -1.0."),
        ("--start 1999-01-01", "start must be between 2000-01-02 and 2090-01-01, not 1999-01-01."),
        ("--start tomorrow", "argument --start: 'tomorrow' is not a day as YYYY-MM-DD."),
        ("--rows many", "argument --rows: invalid int value: 'many'"),
        ("--row 5", "unrecognized arguments: --row 5"),
    ],
)
def test_a_wrong_argument_is_one_message(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(f"events --out {tmp_path}/out {arguments}".split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"simulator: error: {message}"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_an_error(tmp_path, capsys):
    (tmp_path / "kept").write_text("yes")
    with pytest.raises(SystemExit) as stopped:
        main(f"events --out {tmp_path}".split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {tmp_path} exists and is not an empty folder.\n")
