"""The working tree as files for S3; a file's key holds the hash of its content, so equal content is uploaded once."""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import PackageError

ROOT = Path(__file__).parent.parent
UV = ROOT / ".tools" / "bin" / "uv"
FUNCTIONS = ("lambdas", "libs/clickstream")
SIMULATE = ("simulator", *FUNCTIONS)
PYTHON = "3.13"  # of the functions
PLATFORM = "aarch64-manylinux_2_28"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True)
class Artifact:
    """A file and its key in the bucket."""

    name: str  # what it is
    key: str
    content: bytes

    @property
    def code_sha256(self) -> str:
        """The hash in Lambda's form."""
        return b64encode(hashlib.sha256(self.content).digest()).decode()


@dataclass(frozen=True)
class Package:
    """All code that runs in the account."""

    wheel: Artifact
    functions: Artifact
    simulate: Artifact  # the one function that makes up rows, with what it takes
    scripts: dict[str, Artifact]  # by job

    @property
    def artifacts(self) -> list[Artifact]:
        return [self.wheel, self.functions, self.simulate, *self.scripts.values()]

    def of_function(self, name: str) -> Artifact:
        """Return the zip that holds the function's handler and all that it imports."""
        return self.simulate if name == "simulate" else self.functions


def build(root: Path = ROOT) -> Package:
    """Pack the working tree."""
    scripts = {path.stem: path for path in sorted(root.glob("glue_jobs/*.py"))}
    return Package(
        wheel=_wheel(root),
        functions=_artifact("functions", "functions.zip", _zip(_code(root, FUNCTIONS))),
        simulate=_artifact("simulate", "simulate.zip", _zip(_code(root, SIMULATE) | _locked(root, "simulator"))),
        scripts={name: _artifact(f"script {name}", path.name, path.read_bytes()) for name, path in scripts.items()},
    )


def _artifact(name: str, file: str, content: bytes) -> Artifact:
    return Artifact(name, f"{hashlib.sha256(content).hexdigest()[:16]}/{file}", content)


def _wheel(root: Path) -> Artifact:
    """Build the library's wheel; hatchling gives the same bytes for the same tree."""
    with tempfile.TemporaryDirectory() as folder:
        _uv("build", "--wheel", "--out-dir", folder, str(root))
        (wheel,) = Path(folder).glob("*.whl")
        return _artifact("wheel", wheel.name, wheel.read_bytes())


def _code(root: Path, folders: tuple[str, ...]) -> dict[str, bytes]:
    """Read the Python files of folders, which keep their last name."""
    return {
        str(path.relative_to((root / folder).parent)): path.read_bytes()
        for folder in folders
        for path in (root / folder).rglob("*.py")
    }


def _locked(root: Path, group: str) -> dict[str, bytes]:
    """Read the Python files of a dependency group: the versions and hashes of uv.lock, for Lambda's platform."""
    requirements = _uv("export", "--locked", "--only-group", group, "--no-emit-project", "--project", str(root))
    with tempfile.TemporaryDirectory() as folder:
        platform = ("--python-version", PYTHON, "--python-platform", PLATFORM, "--only-binary", ":all:")
        target = ("--python", sys.executable, "--target", folder, *platform)
        _uv("pip", "install", *target, "--require-hashes", "--requirements", "-", said=requirements)
        return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.py")}


def _uv(*arguments: str, said: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603  # ours
            [str(UV), "--quiet", *arguments], check=True, capture_output=True, text=True, input=said
        )
    except FileNotFoundError as error:
        raise PackageError(".tools/bin/uv does not exist: run `make setup` first") from error
    except subprocess.CalledProcessError as error:
        raise PackageError(f"`uv {arguments[0]}` cannot pack the working tree:\n{error.stderr.strip()}") from error
    return done.stdout


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Zip files, without anything that depends on time or machine."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return content.getvalue()
