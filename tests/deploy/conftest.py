"""Terraform on a copy of deploy/, for machines that have it and the AWS provider."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.settings import FOLDER
from local import aws

PROVIDER = "registry.terraform.io/hashicorp/aws/5.100.0"
MIRRORS = [Path.home() / ".terraform.d", Path("/opt"), Path("/usr/share"), Path("/usr/local/share")]


class Terraform:
    """Runs terraform in a folder of its own."""

    def __init__(self, folder: Path, mirror: Path) -> None:
        self.module = folder / "deploy" / "terraform"
        shutil.copytree(FOLDER, folder / "deploy", ignore=shutil.ignore_patterns("__pycache__", ".terraform*"))
        shutil.copytree(FOLDER.parent / "docs", folder / "docs")
        configuration = folder / "terraformrc"
        configuration.write_text(f'provider_installation {{ filesystem_mirror {{ path = "{mirror}" }} }}')
        self.environment = os.environ | {"TF_CLI_CONFIG_FILE": str(configuration), "TF_IN_AUTOMATION": "1"}
        self("init", "-input=false", "-backend=false")

    def __call__(self, *arguments: str, endpoint: str = "", said: str = "", status: int = 0) -> str:
        done = subprocess.run(
            ["terraform", f"-chdir={self.module}", *arguments],
            env=self.environment | (aws.environment(endpoint) if endpoint else {}),
            input=said,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def evaluate(self, expression: str, stage: str) -> object:
        return json.loads(json.loads(self("console", f"-var=stage={stage}", said=f"jsonencode({expression})")))


@pytest.fixture(scope="session")
def terraform(tmp_path_factory):
    mirrors = [path for root in MIRRORS for path in [root, *root.glob("*")] if (path / PROVIDER).exists()]
    if not shutil.which("terraform") or not mirrors:
        pytest.skip("terraform or a mirror with its AWS provider 5.100.0 is not on this machine")
    return Terraform(tmp_path_factory.mktemp("terraform"), mirrors[0])
