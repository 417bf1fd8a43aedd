"""The README's commands, typed as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]

is_readmes_python = pytest.mark.skipif(sys.version_info < (3, 13), reason="the README's commands use .venv, Glue 6.0's")


def shell(command, folder):
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S602


def test_every_make_target_is_in_the_makefile():
    targets = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    assert targets == {"demo", "test"}
    for target in targets:
        assert shell(f"make -n {target}", ROOT).returncode == 0


@is_readmes_python
def test_the_demo_answers_three_queries():
    done = shell("make demo", ROOT)
    assert done.returncode == 0, done.stderr
    for answer in ("event_type ", "country ", "not_a_json_object"):
        assert answer in done.stdout


@is_readmes_python
def test_the_other_commands_do_what_they_say(tmp_path):
    others = [command for command in COMMANDS if not command.startswith("make ")]
    assert len(others) >= 4
    for command in others:
        done = shell(
            command.replace(".local/", f"{tmp_path}/").replace("-m local", f"-m local --lake {tmp_path}"), ROOT
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
