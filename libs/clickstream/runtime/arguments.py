"""A job's ``--name value`` arguments, read into its dataclass; a field with a default is optional."""

import dataclasses
import itertools
import os
import re
import types
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, get_args, get_origin, get_type_hints

from clickstream import errors
from clickstream.runtime import glue

OPTION = re.compile(r"--([a-z][a-z0-9_]*)(?:=.*)?", re.DOTALL)
GLUE_OPTIONS = {"conf", "class"}  # Glue's own parameters of that form; the others have a hyphen or capitals


class Ratio(float):
    """A number from 0 to 1."""

    def __new__(cls, number: str | float) -> Self:
        """Raise ``ValueError`` for any other number."""
        share = super().__new__(cls, number)
        if not 0 <= share <= 1:
            raise ValueError(number)
        return share


@dataclasses.dataclass(frozen=True)
class AtMost:
    limit: int


class PositiveInt(int):
    """A whole number above 0."""

    def __new__(cls, number: str | int) -> Self:
        """Raise ``ValueError`` for any other number."""
        positive = super().__new__(cls, number)
        if positive < 1:
            raise ValueError(number)
        return positive


class StartingPosition(str):
    """Where to start in a stream."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Raise ``ValueError`` for what Glue's connection would not take."""
        if text not in ("latest", "trim_horizon", "earliest"):
            datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007  # its zone is the Z
        return super().__new__(cls, text)


class Folder(str):
    """A path that is written to; what Hadoop would take for a pattern has no place in it."""

    __slots__ = ()

    def __new__(cls, path: str) -> Self:
        """Raise ``ValueError`` for a path that could not be read again."""
        is_bucket = re.fullmatch(r"[a-z0-9]+://[^/]*/*", path)
        if is_bucket or not re.fullmatch(r"([a-z0-9]+:)?[^*?\[\]{}:\\\n]*[^*?\[\]{}:\\\s]", path):
            raise ValueError(path)
        return super().__new__(cls, path)


class Table(str):
    """The name of a table: ``table``, ``database.table`` or ``catalog.database.table``."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """Raise ``ValueError`` for what is not such a name."""
        if not re.fullmatch(r"\w+([.]\w+){0,2}", name, re.ASCII):
            raise ValueError(name)
        return super().__new__(cls, name)


KINDS = {
    Folder: "a folder's path, in a bucket not the bucket itself, without * ? [ ] { } : \\",
    StartingPosition: "latest, trim_horizon, earliest or a time like 2024-03-17T10:15:30Z",
    Ratio: "a share from 0 to 1",
    Table: "a table, database.table or catalog.database.table of letters, digits and _",
    PositiveInt: "a whole number above 0",
    date: "a date like 2024-03-17",
}


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Arguments = TypeVar("Arguments", bound=Dataclass)


def parse_arguments(kind: type[Arguments], argv: Sequence[str]) -> Arguments:
    """Read ``argv`` (the script's name first); raise ``ArgumentError`` that names what is missing, unknown or wrong."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    given = [match[1] for word in argv[1:] if (match := OPTION.fullmatch(word))]
    unknown = [f"--{name}" for name in given if name not in fields and name not in GLUE_OPTIONS]
    unknown += [word for word in argv[1:] if _looks_like(word, fields) and not OPTION.fullmatch(word)]
    if unknown:
        raise errors.ArgumentError(f"{unknown[0]} is not an argument of this job; it takes {_list(fields)}")
    if stray := _stray(argv[1:]):
        raise errors.ArgumentError(f"{stray!r} follows no --name; quote a value that the shell would expand or split")
    repeated = [name for name in fields if given.count(name) > 1]
    if repeated:
        raise errors.ArgumentError(f"{_list(repeated)} given more than once")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    missing = [name for name in required if name not in given]
    if missing:
        raise errors.ArgumentError(f"{_list(missing)} missing; this job needs {_list(required)}")
    present = [name for name in fields if name in given]
    values = glue.resolve(argv, present)
    hints = get_type_hints(kind)
    return kind(**{name: _value(name, values[name], hints[name]) for name in present})


def check_dates(start: date | None, end: date | None) -> None:
    """Raise ``ArgumentError`` where a range of dates ends before it starts."""
    if start and end and start > end:
        raise errors.ArgumentError(f"--start_date {start} is after --end_date {end}")


def check_disjoint_paths(**paths: str) -> None:
    """Raise ``ArgumentError`` where one of the paths is, or lies in, another; a pattern is any path that fits it."""
    parts = {name: _parts(path) for name, path in paths.items() if path}
    for inner, outer in itertools.permutations(parts, 2):
        pairs = zip(parts[inner], parts[outer], strict=False)
        is_deeper = len(parts[inner]) >= len(parts[outer])
        if is_deeper and all(fnmatchcase(one, other) or fnmatchcase(other, one) for one, other in pairs):
            raise errors.ArgumentError(f"--{inner} {paths[inner]} lies in --{outer} {paths[outer]}")


def _parts(path: str) -> list[str]:
    """Split a path at its slashes, from its scheme on; ``{a,b}`` may stand for anything."""
    scheme, colon, rest = path.rpartition(":")
    absolute = rest if colon and scheme != "file" else os.path.abspath(rest)  # noqa: PTH100  # as it is, links and all
    simple = re.sub("/+", "/", re.sub(r"\{[^}]*\}", "*", absolute)).strip("/")
    return [re.sub("^s3.$", "s3", scheme.removeprefix("file")), *simple.split("/")]


def _stray(words: Sequence[str]) -> str | None:
    """Return the first word that is neither an option nor the one value of the option before it."""
    wants_value = False
    for word in words:
        if word.startswith("--"):
            wants_value = "=" not in word
        elif wants_value:
            wants_value = False
        else:
            return word
    return None


def _looks_like(word: str, fields: Iterable[str]) -> bool:
    """Whether a word is one of the names but for its hyphens and capitals."""
    name = word.partition("=")[0]
    return name.startswith("-") and name.lstrip("-").lower().replace("-", "_") in fields


def _value(name: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise errors.ArgumentError(f"--{name} must be one of {', '.join(get_args(kind))}, not {text!r}")
        return text
    if get_origin(kind) is types.UnionType:
        kind = next(member for member in get_args(kind) if member is not types.NoneType)
    if kind is str:
        if not text.strip():
            raise errors.ArgumentError(f"--{name} is empty")
        return text
    try:
        return date.fromisoformat(text) if kind is date else kind(text)
    except ValueError as error:
        raise errors.ArgumentError(f"--{name} must be {KINDS[kind]}, not {text!r}") from error


def _list(names: Any) -> str:
    return ", ".join(f"--{name}" for name in names)
