"""A job's ``--name value`` arguments: a frozen dataclass says what there is, ``argparse`` reads it and prints the help.

A field is annotated with its help, a number also with its upper bound; a field with a default is optional::

    gap_seconds: Annotated[PositiveInt, AtMost(86_400), "a longer pause ends a session"] = PositiveInt(1800)
"""

import argparse
import dataclasses
import functools
import inspect
import itertools
import os
import re
import types
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NoReturn,
    Protocol,
    Self,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from clickstream import errors

EARLIEST_DATE, LATEST_DATE = date(2000, 1, 1), date(2100, 1, 1)
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LARGEST_INT = 2**31 - 1  # what Spark and Java take for a number of seconds, days or records
GLUE_OPTION = re.compile(r"--(conf|class|(?=.*[A-Z-])[A-Za-z][\w-]*)")  # all but two have a hyphen or capitals
TAKES_ANY_VALUE = {"--python-modules-installer-option"}  # pip's, such as --upgrade


class Ratio(float):
    """A number from 0 to 1."""

    def __new__(cls, number: str | float) -> Self:
        """Raise ``ValueError`` for any other number."""
        ratio = super().__new__(cls, number)
        if not 0 <= ratio <= 1:
            raise ValueError(number)
        return ratio


class PositiveInt(int):
    """A whole number from 1 to ``LARGEST_INT``."""

    def __new__(cls, number: str | int) -> Self:
        """Raise ``ValueError`` for any other number."""
        positive = super().__new__(cls, number)
        if not 1 <= positive <= LARGEST_INT:
            raise ValueError(number)
        return positive


class StartingPosition(str):
    """Where to start in a stream."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Raise ``ValueError`` for what Glue's connection would not take."""
        if text not in ("latest", "trim_horizon", "earliest"):
            time = datetime.strptime(text, TIME_FORMAT)  # noqa: DTZ007  # its zone is the Z
            if not EARLIEST_DATE <= time.date() <= LATEST_DATE or time.strftime(TIME_FORMAT) != text:
                raise ValueError(text)
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


@dataclasses.dataclass(frozen=True)
class AtMost:
    """The largest value that a number may have."""

    limit: int


KINDS = {  # what stands for a value in the usage line, and the form it must have
    str: ("TEXT", "a text"),
    Folder: ("FOLDER", "a folder's path, in a bucket not the bucket itself, without * ? [ ] { } : \\"),
    StartingPosition: ("POSITION", "latest, trim_horizon, earliest or a time like 2024-03-17T10:15:30Z"),
    Ratio: ("RATIO", "a number from 0 to {at_most}"),
    Table: ("TABLE", "a table, database.table or catalog.database.table of letters, digits and _"),
    PositiveInt: ("N", "a whole number from 1 to {at_most}"),
    date: ("DATE", "a date like 2024-03-17"),
}
GROUPS = {True: "required", False: "optional"}
UPPER_BOUNDS = {Ratio: 1, PositiveInt: LARGEST_INT}


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Arguments = TypeVar("Arguments", bound=Dataclass)


def parse_arguments(arguments: type[Arguments], argv: Sequence[str]) -> Arguments:
    """Read ``argv`` (the script's name first); raise ``ArgumentError`` that names what is missing, unknown or wrong."""
    options = _options(arguments)
    given = _values_by_name(argv[1:], options)
    required = [name for name, option in options.items() if option.is_required]
    if missing := [name for name in required if name not in given]:
        raise errors.ArgumentError(f"{_list(missing)} missing; this job needs {_list(required)}")
    parser = _parser(options)
    return arguments(**vars(parser.parse_args([f"--{name}={text}" for name, text in given.items()])))


def help_of(arguments: type[Dataclass], docstring: str | None, prog: str) -> str:
    """Format a job's help: its usage, its docstring, and each argument with its help, form and default."""
    description = inspect.cleandoc(docstring or "").replace("``", "")
    return _parser(_options(arguments), prog=prog, description=description).format_help()


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


def glue_words(words: Sequence[str]) -> list[str]:
    """Keep Glue's own parameters and their values: what the job's arguments hold is not for Glue's parser."""
    pairs = [pair for pair in _pairs(words) if GLUE_OPTION.fullmatch(pair[0].partition("=")[0])]
    return [word for pair in pairs for word in pair if word is not None]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise errors.ArgumentError(message)


@dataclasses.dataclass(frozen=True)
class _Option:
    """What a field says about its argument."""

    name: str
    kind: Any
    help: str
    at_most: int | None
    default: Any

    @classmethod
    def of(cls, field: dataclasses.Field[Any], hint: Any) -> Self:
        """Read an annotation; raise ``TypeError`` for one that is not as the module says."""
        kind, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if get_origin(kind) is types.UnionType:
            (kind,) = (member for member in get_args(kind) if member is not types.NoneType)
        texts = [note for note in metadata if isinstance(note, str)]
        bounds = [note.limit for note in metadata if isinstance(note, AtMost)]
        if len(texts) != 1 or len(bounds) > 1 or len(texts) + len(bounds) < len(metadata):
            raise TypeError(f"{field.name} must be annotated with one help text, and AtMost at most once")
        if get_origin(kind) is not Literal and kind not in KINDS:
            raise TypeError(f"{field.name} is a {kind}, which no argument can be")
        if bounds and kind not in UPPER_BOUNDS:
            raise TypeError(f"{field.name} is a {kind}, which has no upper bound")
        return cls(field.name, kind, texts[0], bounds[0] if bounds else UPPER_BOUNDS.get(kind), field.default)

    @property
    def is_required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def metavar(self) -> str:
        if get_origin(self.kind) is Literal:
            return "{" + ",".join(get_args(self.kind)) + "}"
        return KINDS[self.kind][0]

    @property
    def form(self) -> str:
        if get_origin(self.kind) is Literal:
            return f"one of {', '.join(get_args(self.kind))}"
        return KINDS[self.kind][1].replace("{at_most}", str(self.at_most))

    @property
    def explained(self) -> str:
        """The help text, and what the usage line does not say of the value."""
        said = [self.help]
        if get_origin(self.kind) is not Literal and self.kind is not str:
            said.append(self.form)
        if self.kind is date:
            said[-1] += f", from {EARLIEST_DATE} to {LATEST_DATE}"
        if not self.is_required and self.default not in {None, ""}:
            said.append(f"default: {self.default}")
        return "; ".join(said).replace("%", "%%")

    def convert(self, text: str) -> Any:
        """Raise ``ArgumentError`` for what is empty, out of bounds or of the wrong form."""
        if not text.strip():
            raise errors.ArgumentError(f"--{self.name} is empty")
        wrong = errors.ArgumentError(f"--{self.name} must be {self.form}, not {text!r}")
        if get_origin(self.kind) is Literal:
            if text not in get_args(self.kind):
                raise wrong
            return text
        try:
            value: Any = date.fromisoformat(text) if self.kind is date else self.kind(text)
        except ValueError as error:
            raise wrong from error
        if self.at_most is not None and value > self.at_most:
            raise wrong
        if self.kind is date and not EARLIEST_DATE <= value <= LATEST_DATE:
            raise errors.ArgumentError(
                f"--{self.name} must lie between {EARLIEST_DATE} and {LATEST_DATE}, not {text!r};"
                " rows of other dates are quarantined"
            )
        return value


def _options(arguments: type[Dataclass]) -> dict[str, _Option]:
    hints = get_type_hints(arguments, include_extras=True)
    return {field.name: _Option.of(field, hints[field.name]) for field in dataclasses.fields(arguments)}


def _parser(options: dict[str, _Option], **texts: Any) -> argparse.ArgumentParser:
    """Make the parser; a default stays with the dataclass."""
    layout = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=36)
    parser = _Parser(
        allow_abbrev=False, add_help=False, formatter_class=layout, argument_default=argparse.SUPPRESS, **texts
    )
    groups = {is_required: parser.add_argument_group(f"{kind} arguments") for is_required, kind in GROUPS.items()}
    for name, option in options.items():
        groups[option.is_required].add_argument(
            f"--{name}",
            type=option.convert,
            required=option.is_required,
            metavar=option.metavar,
            help=option.explained,
        )
    return parser


def _values_by_name(words: Sequence[str], names: Collection[str]) -> dict[str, str]:
    """Pair the job's options with their values, and pass over Glue's.

    ``argparse`` itself cannot tell the value of an unknown option from a stray word, nor take ``-x`` for a value.
    """
    given: dict[str, str] = {}
    for word, following in _pairs(words):
        option, equals, text = word.partition("=")
        name = option.removeprefix("--")
        if not (option.startswith("--") and name in names):
            if GLUE_OPTION.fullmatch(option) and not _is_like(option, names):
                continue
            if option.startswith("--") or _is_like(option, names):
                shown = option if option.isprintable() else repr(option)
                raise errors.ArgumentError(f"{shown} is not an argument of this job; it takes {_list(names)}")
            raise errors.ArgumentError(
                f"{word!r} follows no --name; quote a value that the shell would expand or split"
            )
        value = text if equals else following
        if value in {None, "--"} or (not equals and _is_like(value, names)):
            raise errors.ArgumentError(f"--{name} has no value; write --{name}=VALUE for one that begins with a hyphen")
        if name in given:
            raise errors.ArgumentError(f"--{name} given more than once")
        given[name] = value
    return given


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Pair each ``--name`` with the word after it, unless it has its value behind ``=`` or another ``--name`` follows.

    Any other word stands alone.
    """
    rest = list(reversed(words))
    while rest:
        word, following = rest.pop(), None
        is_open = word.startswith("--") and "=" not in word
        if is_open and rest and (word in TAKES_ANY_VALUE or not rest[-1].startswith("--")):
            following = rest.pop()
        yield word, following


def _is_like(word: str, names: Iterable[str]) -> bool:
    """Whether a word is one of the names but for its hyphens and capitals."""
    name = word.partition("=")[0]
    return name.startswith("-") and name.lstrip("-").lower().replace("-", "_") in names


def _parts(path: str) -> list[str]:
    """Split a path at its slashes, from its scheme on; ``{a,b}`` may stand for anything."""
    scheme, colon, rest = path.rpartition(":")
    absolute = rest if colon and scheme != "file" else os.path.abspath(rest)  # noqa: PTH100  # as it is, links and all
    simple = re.sub("/+", "/", re.sub(r"\{[^}]*\}", "*", absolute)).strip("/")
    return [re.sub("^s3.$", "s3", scheme.removeprefix("file")), *simple.split("/")]


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"--{name}" for name in names)
