"""The working tree as files for S3; a file's key holds the hash of its content, so equal content is uploaded once."""

import hashlib
import io
import subprocess
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import PackageError

ROOT = Path(__file__).parent.parent
UV = ROOT / ".tools" / "bin" / "uv"
FUNCTIONS = ("lambdas", "simulator", "libs/clickstream")
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
    scripts: dict[str, Artifact]  # by job

    @property
    def artifacts(self) -> list[Artifact]:
        return [self.wheel, self.functions, *self.scripts.values()]


def build(root: Path = ROOT) -> Package:
    """Pack the working tree."""
    scripts = {path.stem: path for path in sorted(root.glob("glue_jobs/*.py"))}
    return Package(
        wheel=_wheel(root),
        functions=_artifact("functions", "functions.zip", _zip(root, FUNCTIONS)),
        scripts={name: _artifact(f"script {name}", path.name, path.read_bytes()) for name, path in scripts.items()},
    )


def _artifact(name: str, file: str, content: bytes) -> Artifact:
    return Artifact(name, f"{hashlib.sha256(content).hexdigest()[:16]}/{file}", content)


def _wheel(root: Path) -> Artifact:
    """Build the library's wheel; hatchling gives the same bytes for the same tree."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(UV), "build", "--quiet", "--wheel", "--out-dir", folder, str(root)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # ours
        except FileNotFoundError as error:
            raise PackageError(".tools/bin/uv does not exist: run `make setup` first") from error
        except subprocess.CalledProcessError as error:
            raise PackageError(f"the wheel cannot be built:\n{error.stderr.strip()}") from error
        (wheel,) = Path(folder).glob("*.whl")
        return _artifact("wheel", wheel.name, wheel.read_bytes())


def _zip(root: Path, folders: Iterable[str]) -> bytes:
    """Zip Python files, without anything that depends on time or machine."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        files = ((root / folder, path) for folder in folders for path in (root / folder).rglob("*.py"))
        for folder, path in sorted(files):
            entry = zipfile.ZipInfo(str(path.relative_to(folder.parent)), EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()
