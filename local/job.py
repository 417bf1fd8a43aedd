"""Run an unmodified script of ``glue_jobs`` in the stand-in Glue."""

import ast
import dataclasses
import importlib
import inspect
import runpy
import sys
import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from clickstream.errors import ClickstreamError
from clickstream.runtime.arguments import KINDS, parse_arguments
from local import lake as lakes
from local.glue_stubs import install_glue_stubs

JOBS = Path(__file__).parent.parent / "glue_jobs"


def names() -> list[str]:
    """Every job there is."""
    return sorted(path.stem for path in JOBS.glob("*.py"))


def describe(name: str) -> str:
    """Return what a job does and what it takes: its docstring, and the fields of its ``Arguments``."""
    script = importlib.import_module(name)
    kinds, comments = get_type_hints(script.Arguments), _comments(script.Arguments)
    width = max(len(field) for field in kinds)
    lines = [
        f"  --{field.name:{width}}  {_taken(kinds[field.name])}{comments[field.name]} ({_unless_given(field)})"
        for field in dataclasses.fields(script.Arguments)
    ]
    return "\n".join([inspect.getdoc(script), "", "Arguments", *lines]).replace("``", "")


def run(lake: Path, name: str, arguments: list[str]) -> int:
    """Run a job on a lake; return 0 only if it has committed."""
    sys.path.insert(0, str(JOBS))  # as for any script: its neighbours can be imported
    if "--help" in arguments or "-h" in arguments:
        print(describe(name))
        return 0
    script = JOBS / f"{name}.py"
    sys.argv = [str(script), "--JOB_NAME", name, *arguments]
    try:
        parse_arguments(importlib.import_module(name).Arguments, sys.argv)  # a wrong one need not wait for Spark
        print(f"{name}: starting Spark", file=sys.stderr)
        committed = install_glue_stubs(lakes.session(lake))
        runpy.run_path(str(script), run_name="__main__")
    except (ClickstreamError, NotImplementedError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    if committed is not None and not committed:
        print(f"{name}: ended without committing", file=sys.stderr)
        return 1
    lakes.remember_paths(lake, arguments)
    return 0


def _comments(kind: type) -> dict[str, str]:
    """Return what stands beside each field, after a colon."""
    comments = {}
    for source in map(inspect.getsource, kind.__mro__[:-1]):
        lines = source.splitlines()
        for node in ast.parse(source).body[0].body:
            if isinstance(node, ast.AnnAssign):
                _, found, comment = lines[node.end_lineno - 1][node.end_col_offset :].partition("# ")
                comments[node.target.id] = f": {comment}" if found else ""
    return comments


def _taken(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is types.UnionType:
        kind = next(member for member in get_args(kind) if member is not types.NoneType)
    return KINDS.get(kind, "a text")


def _unless_given(field: dataclasses.Field) -> str:
    if field.default is dataclasses.MISSING:
        return "needed"
    return "may be left out" if field.default in {None, ""} else f"{field.default} unless given"
