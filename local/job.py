"""Run an unmodified script of ``glue_jobs`` in the stand-in Glue."""

import ast
import runpy
import sys
from pathlib import Path

from clickstream.errors import ClickstreamError
from local import lake as lakes
from local.glue import stand_in

JOBS = Path(__file__).parent.parent / "glue_jobs"


def names() -> list[str]:
    """Every job there is."""
    return sorted(path.stem for path in JOBS.glob("*.py"))


def describe(script: Path) -> str:
    """Return what a job does and what it takes, without importing it: its docstring and the fields of ``Arguments``."""
    module = ast.parse(script.read_text())
    taken = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Arguments")
    fields = [f"  --{ast.unparse(node)}" for node in taken.body if isinstance(node, ast.AnnAssign)]
    return "\n".join([ast.get_docstring(module) or "", "", "Arguments (those with a default are optional)", *fields])


def run(lake: Path, name: str, arguments: list[str]) -> int:
    """Run a job on a lake; return 0 only if it has committed."""
    script = JOBS / f"{name}.py"
    if "--help" in arguments or "-h" in arguments:
        print(describe(script))
        return 0
    print(f"{name}: starting Spark", file=sys.stderr)
    committed = stand_in(lakes.session(lake))
    sys.argv = [str(script), "--JOB_NAME", name, *arguments]
    sys.path.insert(0, str(JOBS))  # as for any script: its neighbours can be imported
    try:
        runpy.run_path(str(script), run_name="__main__")
    except ClickstreamError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    if committed is not None and name not in committed:
        print(f"{name}: ended without committing", file=sys.stderr)
        return 1
    lakes.remember_paths(lake, arguments)
    return 0
