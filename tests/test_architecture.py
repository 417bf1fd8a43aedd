"""Imports run one way: ``MAY_IMPORT`` says from which parts of the repository each part takes something."""

import ast
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = {"schemas", "errors", "validation"}
LIBRARY = {*CORE, "transforms", "runtime", "sources", "storage"}
MAY_IMPORT = {
    "schemas": set(),
    "errors": set(),
    "validation": {"schemas", "errors"},
    "transforms": {*CORE, "transforms"},
    "runtime": {"schemas", "errors", "runtime"},
    "sources": {*CORE, "transforms", "runtime", "sources"},
    "storage": {*CORE, "transforms", "runtime", "storage"},
    "glue_jobs": LIBRARY,  # no other job: Glue gets one script a job
    "simulator": {*LIBRARY, "simulator"},
    "lambdas": {*LIBRARY, "simulator", "lambdas"},
    "deploy": {*LIBRARY, "simulator", "deploy"},
    "local": {*LIBRARY, "simulator", "lambdas", "deploy", "local"},
    "tools": {*LIBRARY, "simulator", "lambdas", "deploy", "local", "glue_jobs", "tools"},
}
OURS = {*MAY_IMPORT, "tests"}
KNOW_GLUE = {"libs/clickstream/runtime/glue.py", "local/glue_stubs.py"}
SPARK = {"pyspark", "py4j", "awsglue"}
INPUT_AND_OUTPUT = {"boto3", "botocore", "io", "os", "pathlib", "py4j", "urllib"}
READ_OR_WRITE = {"read", "readStream", "table", "write", "writeStream", "writeTo", "open"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[1:] if parts[0] in {"libs", "glue_jobs"} else parts).removesuffix(".__init__")


FOLDERS = ("libs", *(name for name in MAY_IMPORT if (ROOT / name).is_dir()))
FILES = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
TREES = {module: ast.parse(path.read_bytes()) for module, path in FILES.items()}


def imports(module: str) -> Iterator[str]:
    """Give what a module imports when it is run: modules of ours, and names of others."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    checks = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.If)]
    not_run = {id(n) for node in checks if ast.unparse(node.test) == "TYPE_CHECKING" for n in ast.walk(node)}
    for node in ast.walk(TREES[module]):
        if id(node) in not_run:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names = (f"{base}.{alias.name}" for alias in node.names)
            yield from (name if name in FILES else base for name in names)


def part(module: str) -> str:
    """Say what it is part of: ``transforms`` for clickstream.transforms.events, ``glue_jobs`` for events_batch."""
    first, _, rest = module.partition(".")
    if module in FILES and FILES[module].parent.name == "glue_jobs":
        return "glue_jobs"
    return rest.partition(".")[0] if first == "clickstream" and rest else first


def modules_of(name: str) -> list[str]:
    return [module for module in FILES if part(module) == name]


def path_of(module: str) -> str:
    return FILES[module].relative_to(ROOT).as_posix()


def assert_no(violations: Iterable[str]) -> None:
    if found := "\n".join(violations):
        pytest.fail(found, pytrace=False)


def test_every_module_is_part_of_something():
    assert {part(module) for module in FILES} == {*MAY_IMPORT, "clickstream"}


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_it_imports_only_what_it_may(name):
    assert_no(
        f"{path_of(module)} imports {imported}: {name} must not"
        for module in modules_of(name)
        for imported in imports(module)
        if part(imported) in OURS - MAY_IMPORT[name]
    )


def test_one_module_and_its_stubs_know_glue():
    assert_no(
        f"{path_of(module)} imports {imported}: only {' and '.join(sorted(KNOW_GLUE))} may"
        for module in FILES
        for imported in imports(module)
        if part(imported) == "awsglue" and path_of(module) not in KNOW_GLUE
    )


@pytest.mark.parametrize("module", modules_of("transforms"))
def test_transforms_read_and_write_nothing(module):
    names = {node.attr for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute)}
    names |= {node.func.id for node in ast.walk(TREES[module]) if isinstance(getattr(node, "func", None), ast.Name)}
    assert_no(f"{path_of(module)} uses {name}: transforms must not" for name in sorted(names & READ_OR_WRITE))
    assert_no(
        f"{path_of(module)} imports {imported}: transforms must not"
        for imported in imports(module)
        if part(imported) in INPUT_AND_OUTPUT
    )


@pytest.mark.parametrize("function", modules_of("lambdas"))
def test_functions_run_without_spark(function):
    """Follow imports, and the packages that come with them, through the repository."""
    chains, seen = [[function]], {function}
    for chain in chains:  # which grows meanwhile
        for imported in imports(chain[-1]):
            if part(imported) in SPARK:
                pytest.fail(f"{' -> '.join(map(path_of, chain))} imports {imported}", pytrace=False)
            words = imported.split(".")
            packages = {".".join(words[:length]) for length in range(1, len(words) + 1)}
            for module in sorted(packages & FILES.keys() - seen):
                seen.add(module)
                chains.append([*chain, module])
