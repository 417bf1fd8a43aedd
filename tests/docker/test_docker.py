"""The containers as far as they can be checked without an engine: schema, lint, and that all that is named is there."""

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from deploy import job_arguments
from deploy.package import UV
from local import aws, jars

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docker"
PROGRAMS = Path(sys.executable).parent
IMAGE = "public.ecr.aws/glue/aws-glue-libs:5.1.0"
WORKSPACE = "/home/hadoop/workspace"

pytestmark = pytest.mark.process


@pytest.fixture
def compose():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


def dockerfile():
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", "")
    return [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]


def run(*command, **given):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **given)


def target(*arguments):
    """Return what make would run as a service, with the service's name."""
    done = run("make", "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout.replace("\\\n", " "))
    assert words[:4] == ["docker", "compose", "--file", "docker/compose.yaml"]
    rest = [word for word in words[5:] if word not in {"--build", "--rm"}]
    return rest[0], rest[1:]


def test_composes_schema_takes_it():
    check = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = run(*check, FOLDER / "compose.yaml")
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_is_without_lint():
    done = run(PROGRAMS / "hadolint", FOLDER / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_it_is_the_glue_image_and_its_user():
    froms = [rest for word, rest in dockerfile() if word == "FROM"]
    assert froms == [f"{IMAGE} AS glue", "glue AS notebook"]
    assert [rest for word, rest in dockerfile() if word == "USER"][-1] == "10000"


def test_every_service_is_the_image_with_the_tree_to_read_and_volumes_to_write(compose):
    stages = {rest.split()[-1] for word, rest in dockerfile() if word == "FROM"}
    for service in compose["services"].values():
        build = service["build"]
        assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
        assert build["target"] in stages
        assert (service["user"], service["working_dir"]) == ("10000", WORKSPACE)
        mounts = [mount.split(":") for mount in service["volumes"]]
        assert mounts[0] == ["..", WORKSPACE, "ro"]
        assert all(source in compose["volumes"] for source, _ in mounts[1:])
        made = next(rest for word, rest in dockerfile() if word == "RUN" and "mkdir" in rest).split()
        assert all(place in made for _, place in mounts[1:]), "Docker gives a volume the owner that its folder has"


def test_they_find_the_local_aws(compose):
    port = compose["services"]["aws"]["command"][-1]
    for service in compose["services"].values():
        assert aws.environment(f"http://127.0.0.1:{port}").items() <= service["environment"].items()
    for name in ("glue", "notebook"):
        assert compose["services"][name]["network_mode"] == "service:aws"


def test_the_entrypoint_adds_the_library_and_passes_words_on(compose):
    for service in compose["services"].values():
        shell = [word.replace("$$", "$") for word in service["entrypoint"]]
        words = ["python3", "-c", "import sys, clickstream; print(sys.argv[1:])", "one word", "$HOME"]
        done = run(*shell, *words, env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": "/nowhere"})
        assert done.stdout == "['one word', '$HOME']\n", done.stderr


@pytest.mark.parametrize("name", job_arguments.names())
def test_a_job_is_run_as_on_this_machine(compose, name):
    service, words = target("docker-run", f"JOB={name}", "ARGS=--help")
    assert compose["services"][service]
    assert words[:3] == ["python3", "-m", "local"]
    helped = run(sys.executable, *words[1:3], "run", *words[words.index("run") + 1 :])
    assert helped.stdout.startswith(f"usage: python -m local run {name} ")


def test_a_job_has_to_be_named():
    done = run("make", "docker-run")
    assert done.returncode != 0
    assert "make docker-run JOB=events_batch" in done.stderr


def test_the_tests_are_those_of_the_same_versions(compose):
    service, words = target("docker-test")
    assert compose["services"][service]
    assert words[:5] == ["python3", "-m", "pytest", "-p", "no:cacheprovider"]  # <- nothing is written into the tree
    there = shlex.split(run("make", "--dry-run", "test-5.1").stdout.splitlines()[-1])
    assert words[5:] == there[3:]


def test_the_notebook_is_a_service(compose):
    service, _ = target("docker-notebook")
    assert compose["services"][service]["build"]["target"] == "notebook"


def test_our_notebooks_are_in_it_and_ones_own_stay(compose, tmp_path):
    """As its command copies them, before JupyterLab starts."""
    shell, *words = compose["services"]["notebook"]["command"]
    copies, starts = words[-1].split(" && exec ")
    assert starts.startswith("python3 -m jupyterlab ")
    for _ in range(2):
        assert run(shell, words[0], copies.replace("/home/hadoop/notebooks", str(tmp_path))).returncode == 0
        (tmp_path / "clickstream.ipynb").write_text("mine")
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert (tmp_path / "clickstream.ipynb").read_text() == "mine"


def test_jupyterlab_is_the_one_of_make_notebook():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert groups["notebook"] == [rest.split()[-1] for word, rest in dockerfile() if "jupyterlab" in rest]
    recipe = run("make", "--dry-run", "notebook").stdout
    assert "jupyter lab --ip 127.0.0.1 " in recipe


def test_what_the_image_is_built_of_is_there_and_resolves(tmp_path):
    """As the Dockerfile copies and exports it, but for the installation."""
    copied = [rest.split()[1:-1] for word, rest in dockerfile() if word == "COPY"]
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for names in copied for name in names} == set(ignored) - {"*"}
    for name in copied[0]:
        (tmp_path / name).write_text((ROOT / name).read_text())
    steps = next(rest for word, rest in dockerfile() if word == "RUN" and "uv export" in rest).split(" && ")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["required-version"]
    assert f"uv{version}" in steps[0].split()
    exported = shlex.split(steps[1])[3:]
    done = subprocess.run([UV, *exported], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    requirements = (tmp_path / "requirements.txt").read_text()
    assert "boto3==1.40.61" in requirements
    assert not any(f"\n{name}==" in f"\n{requirements}" for name in ("pyspark", "py4j", "awsgluedataplanepython"))


def test_the_jars_of_the_image_come_from_where_the_dockerfile_says(tmp_path):
    (tmp_path / "jars.py").write_text(Path(jars.__file__).read_text())
    done = run(
        sys.executable, "-c", "import json, jars; print(json.dumps(str(jars.CACHE)))",
        env={"CLICKSTREAM_JARS": "/home/hadoop/jars", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert f"CLICKSTREAM_JARS={json.loads(done.stdout)}" in [rest for word, rest in dockerfile() if word == "ENV"]
