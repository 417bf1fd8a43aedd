"""``settings.yaml``, with what a stage's own file says otherwise."""

import dataclasses
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

import yaml  # type: ignore[import-untyped]

from deploy.errors import SettingsError

FOLDER = Path(__file__).parent
FLEX_WORKERS = ("G.1X", "G.2X")  # https://docs.aws.amazon.com/glue/latest/dg/add-job.html
STREAMING_ONLY = "G.025X"
WINDOW = re.compile(r"(Sun|Mon|Tue|Wed|Thu|Fri|Sat):([01]?[0-9]|2[0-3])")
NAME = re.compile(r"\$\{(\w+)\}")

Sections = Mapping[str, Mapping[str, Mapping[str, Any]]]
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Place:
    """Where a stage is, and who is told."""

    region: str
    events_per_hour: int
    monthly_budget_usd: int
    alarms_to: list[str]
    disposable: bool


@dataclass(frozen=True)
class Stream:
    """A stream of Kinesis."""

    shards: int
    retention_hours: int
    silent_minutes: int


@dataclass(frozen=True)
class Bucket:
    """A bucket of S3."""

    infrequent_days: int


@dataclass(frozen=True)
class LiveTable:
    """A table of DynamoDB."""

    key: list[dict[str, str]]  # one or two attributes: name and type
    expires: str


@dataclass(frozen=True)
class Archive:
    """A stream of Firehose; it has the name of the stream that it reads."""

    function: str
    keyed: bool
    buffer_mb: int
    buffer_seconds: int


@dataclass(frozen=True)
class Workgroup:
    """A workgroup of Athena."""

    scan_limit_gb: int


@dataclass(frozen=True)
class Function:
    """A function of ``lambdas/``."""

    handler: str
    memory_mb: int
    timeout_seconds: int
    streams: tuple[str, ...] = ()  # whose records it is called with
    batch_size: int = 100
    batch_seconds: int = 0
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    access: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)  # terraform's


@dataclass(frozen=True)
class Job:
    """A script of ``glue_jobs/``."""

    kind: Literal["batch", "streaming"]
    worker_type: str
    workers: int
    flex: bool
    timeout_minutes: int | None  # None: a stream's, which Glue restarts in its window
    retries: int
    concurrency: int
    schedule: str | None
    arguments: Mapping[str, str | None]
    access: Mapping[str, list[str]]  # terraform's
    maintenance_window: str | None = None

    def __post_init__(self) -> None:
        """Refuse what Glue would refuse."""
        if self.flex and (self.kind == "streaming" or self.worker_type not in FLEX_WORKERS):
            raise SettingsError(f"flex is for batch on {' and '.join(FLEX_WORKERS)}")
        if self.worker_type == STREAMING_ONLY and self.kind != "streaming":
            raise SettingsError(f"{STREAMING_ONLY} is for streaming")
        if self.maintenance_window and self.kind != "streaming":
            raise SettingsError("a maintenance_window is for streaming")
        if self.maintenance_window and not WINDOW.fullmatch(self.maintenance_window):
            raise SettingsError(f"maintenance_window is a day and an hour like Sun:03, not {self.maintenance_window}")
        not_text = [name for name, value in self.arguments.items() if not isinstance(value, str | None)]
        if not_text:
            raise SettingsError(f"arguments are texts: quote {', '.join(not_text)}")


@dataclass(frozen=True)
class Pipeline:
    """The state machine."""

    schedule: str | None
    wait_minutes: int


@dataclass(frozen=True)
class Settings:
    """What a stage consists of; every section but the first by name."""

    stage: str
    account: Mapping[str, Place]
    streams: Mapping[str, Stream]
    buckets: Mapping[str, Bucket]
    dynamodb: Mapping[str, LiveTable]
    archives: Mapping[str, Archive]
    athena: Mapping[str, Workgroup]
    functions: Mapping[str, Function]
    jobs: Mapping[str, Job]
    pipeline: Mapping[str, Pipeline]
    alarms: Mapping[str, Mapping[str, int]]

    @classmethod
    def read(cls, stage: str, folder: Path = FOLDER) -> Self:
        """Read a stage; raise ``SettingsError`` that says where it is wrong."""
        sections = merged(stage, folder)
        kinds = get_type_hints(cls)
        wanted = kinds.keys() - {"stage"}
        if sections.keys() != wanted:
            raise SettingsError(f"settings.yaml: the sections are {', '.join(sorted(wanted))}")
        return cls(
            stage,
            **{
                section: {
                    name: _entry(get_args(kinds[section])[1], entry, f"{stage}: {section}.{name}")
                    for name, entry in entries.items()
                }
                for section, entries in sections.items()
            },
        )

    @property
    def region(self) -> str:
        """Where the stage is."""
        return self.account["place"].region


def stages(folder: Path = FOLDER) -> list[str]:
    """Every stage there is."""
    return sorted(path.stem for path in folder.glob("stages/*.yaml"))


def merged(stage: str, folder: Path = FOLDER) -> Sections:
    """Put a stage's own fields over those of every stage, an argument of a job over the same argument."""
    if stage not in stages(folder):
        raise SettingsError(f"stage {stage}: there is none; there are {', '.join(stages(folder))}")
    every = yaml.safe_load((folder / "settings.yaml").read_text())
    own = yaml.safe_load((folder / "stages" / f"{stage}.yaml").read_text()) or {}
    for section, entries in own.items():
        for name, fields in entries.items():
            if name not in every.get(section, {}):
                raise SettingsError(f"{stage}: settings.yaml has no {section}.{name}")
            entry = every[section][name]
            arguments = {**entry.get("arguments", {}), **fields.get("arguments", {})}
            entry.update(fields, **({"arguments": arguments} if arguments else {}))
    return dict(every)


def filled(text: str, names: Mapping[str, str]) -> str:
    """Put the names of a stage into a text's ``${name}``; raise ``SettingsError`` where it asks for another."""
    unknown = set(NAME.findall(text)) - names.keys()
    if unknown:
        known = ", ".join(f"${{{name}}}" for name in names)
        raise SettingsError(f"{', '.join(f'${{{name}}}' for name in unknown)} is not known; there are {known}")
    return NAME.sub(lambda match: names[match[1]], text)


def _entry(kind: Any, fields: Mapping[str, Any], where: str) -> Any:
    """Make an entry of its fields."""
    if not dataclasses.is_dataclass(kind):
        return fields
    hints = get_type_hints(kind)
    unknown = fields.keys() - hints.keys()
    required = {field.name for field in dataclasses.fields(kind) if not _has_default(field)}
    if unknown or (missing := required - fields.keys()):
        wrong = f"no field {', '.join(sorted(unknown))}" if unknown else f"{', '.join(sorted(missing))} missing"
        raise SettingsError(f"{where}: {wrong}; there are {', '.join(hints)}")
    for name, value in fields.items():
        if not _fits(value, hints[name]):
            raise SettingsError(f"{where}.{name}: {value!r} is not {hints[name]}")
    try:
        return kind(**fields)  # type: ignore[operator]
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error


def _has_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from YAML is what a field takes, as far as its outermost type goes."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is types.UnionType:
        return any(_fits(value, member) for member in get_args(hint))
    kind = {Mapping: dict, tuple: list}.get(get_origin(hint) or hint, get_origin(hint) or hint)
    return type(value) is kind
