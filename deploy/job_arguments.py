"""The arguments of the scripts in ``glue_jobs/``, read from their source: importing one would need Spark and Glue."""

import ast
from functools import cache
from pathlib import Path

from deploy.errors import SettingsError

ROOT = Path(__file__).parent.parent
CLASS = "Arguments"


def names() -> list[str]:
    """List the jobs."""
    return sorted(path.stem for path in ROOT.glob("glue_jobs/*.py"))


@cache
def defaults(job: str) -> dict[str, str | None]:
    """Return the default of each argument as text; None where there is none, or where it stands for nothing."""
    path = ROOT / "glue_jobs" / f"{job}.py"
    if not path.exists():
        raise SettingsError(f"there is no glue_jobs/{job}.py; there are {', '.join(names())}")
    return _fields(path, CLASS)


def _fields(path: Path, name: str) -> dict[str, str | None]:
    """Read the fields of a dataclass, those of its bases first."""
    module = ast.parse(path.read_text())
    (definition,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)
    fields: dict[str, str | None] = {}
    for base in definition.bases:
        fields |= _fields(_imported_from(module, ast.unparse(base)), ast.unparse(base))
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            fields[node.target.id] = _text(node.value)
    return fields


def _imported_from(module: ast.Module, name: str) -> Path:
    """Find the file of the library that a name is imported from."""
    (source,) = (
        node.module
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]
    )
    return ROOT / "libs" / f"{source.replace('.', '/')}.py"


def _text(default: ast.expr | None) -> str | None:
    """Return a default such as ``"merge"`` or ``PositiveInt(60)`` as it is written on the command line."""
    if isinstance(default, ast.Call):
        (default,) = default.args
    if not isinstance(default, ast.Constant) or default.value in {None, ""}:
        return None
    return str(default.value)
