"""The commands of the README, the runbook and the bench's page, typed as they stand there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.single]

ROOT = Path(__file__).parent.parent


def commands(page):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line.partition("  #")[0].strip() for line in lines]


README, RUNBOOK = commands("README.md"), commands("docs/runbook.md")
DEMO = ".local/demo"

is_readmes_python = pytest.mark.skipif(sys.version_info < (3, 13), reason="the README's commands use .venv, Glue 6.0's")


def shell(command, folder):
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S602


def typed(command, lake):
    """Do it in another lake than the developer's own."""
    done = shell(command.replace(".local/", f"{lake}/").replace("-m local", f"-m local --lake {lake}"), ROOT)
    assert done.returncode == 0, f"{command}\n{done.stderr}"


@is_readmes_python
def test_the_first_event_becomes_the_row_and_the_answer_that_follow(tmp_path):
    page = (ROOT / "README.md").read_text()
    (sent, row), (query,) = (re.findall(f"```{kind}\n(.*?)\n```", page, re.DOTALL) for kind in ("json", "sql"))
    archive = tmp_path / "raw" / "arrived=2024-03-17" / "11"
    archive.mkdir(parents=True)
    (archive / "a.jsonl").write_text(f"{sent}\n{sent}\n")
    local = [sys.executable, "-m", "local", "--lake", str(tmp_path / "lake")]
    tables = ("--events_table", "events", "--quarantine_table", "quarantine")
    subprocess.run([*local, "run", "events_batch", "--raw_path", tmp_path / "raw", *tables], cwd=ROOT, check=True)

    def answer(*arguments):
        asked = subprocess.run([*local, "sql", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
        return asked.stdout

    assert json.loads(answer("--format", "json", "select * from events")) == [json.loads(row) | {"payload": sent}]
    assert answer(query) in page


def test_every_make_target_is_in_the_makefile():
    targets = {command.split()[1] for command in README if command.startswith("make ")}
    assert targets == {"demo", "test"}
    for target in targets:
        assert shell(f"make -n {target}", ROOT).returncode == 0


def test_make_explains_every_target():
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert re.findall(r"^  make (\S+) +\S", shell("make", ROOT).stdout, re.MULTILINE) == targets


@is_readmes_python
@pytest.mark.proof
def test_the_demo_answers_three_queries_and_its_day_can_be_mended():
    done = shell("make demo", ROOT)
    assert done.returncode == 0, done.stderr
    for answer in ("event_type ", "country ", "not_a_json_object"):
        assert answer in done.stdout
    assert len(done.stdout.splitlines()) < 45
    corrections = [command for command in RUNBOOK if DEMO in command]
    assert len(corrections) == 2
    for command in corrections:
        done = shell(command, ROOT)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@is_readmes_python
def test_the_input_can_be_made_again(tmp_path):
    makes_input = [command for command in README if not re.match(r"make |.* -m local ", command)]
    assert len(makes_input) == 2
    for command in makes_input * 2:
        typed(command, tmp_path)


@pytest.mark.slow
@is_readmes_python
def test_the_other_commands_do_what_they_say(tmp_path):
    others = [command for command in README if not command.startswith("make ")]
    assert len(others) == 8
    for command in others:
        typed(command, tmp_path)


@is_readmes_python
@pytest.mark.proof
def test_the_runbooks_commands_do_what_they_say(tmp_path):
    others = [command for command in README + RUNBOOK if not command.startswith("make ") and DEMO not in command]
    assert len(others) > 7
    for command in others:
        typed(command, tmp_path)


@is_readmes_python
def test_the_bench_can_be_repeated_as_its_page_says():
    repeat = re.search(r"To repeat it: `(.+?)`", (ROOT / "tools" / "bench" / "events_batch.md").read_text())[1]
    explained = shell(f"{repeat} --help", ROOT)
    assert explained.returncode == 0, explained.stderr
    assert "`" not in explained.stdout
