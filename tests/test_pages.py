"""What GitHub reads is valid, its actions are pinned, and the pages name what is there."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
SCHEMAS = {
    "vendor.github-workflows": "workflows/*.yml",
    "custom.github-workflows-require-timeout": "workflows/*.yml",
    "vendor.github-actions": "actions/*/action.yml",
    "vendor.github-issue-forms": "ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": "ISSUE_TEMPLATE/config.yml",
    "vendor.dependabot": "dependabot.yml",
}
WORKFLOWS = [*GITHUB.glob("workflows/*.yml"), *GITHUB.glob("actions/*/action.yml")]
PAGES = [path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
COMMANDS = [*WORKFLOWS, ROOT / "CONTRIBUTING.md", ROOT / ".devcontainer" / "devcontainer.json"]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_github_takes_it(schema):
    files = [str(path) for path in GITHUB.glob(SCHEMAS[schema])]
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *files])
    assert done.exit_code == 0, done.output


def test_the_dev_container_is_json():
    assert json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())["postCreateCommand"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_actions_are_pinned(path):
    """To a commit, which nobody can move; the version stands behind it."""
    used = re.findall(r"uses: (?!\./)(.+)", path.read_text())
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_make_has_the_targets(path):
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    word = r"[a-z][a-z0-9.-]*(?!=)\b"
    named = re.findall(rf"(?:run: |`|^|\")make ({word}(?: {word})*)", path.read_text(), re.MULTILINE)
    assert {target for line in named for target in line.split()} - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)\s#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_contributors_are_sent_to_files_that_are_there():
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir())
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_version_is_the_changelogs():
    (newest, *_) = re.findall(r"^## \[(\d.+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == newest
