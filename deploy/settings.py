"""``settings.yaml`` with the fields that a stage's own file replaces, validated."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from clickstream.runtime.arguments import EARLIEST_DATE
from deploy import job_arguments
from deploy.errors import SettingsError

FOLDER = Path(__file__).parent
TABLES = FOLDER.parent / "ddl" / "tables"
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
FLEX_WORKERS = ("G.1X", "G.2X")  # https://docs.aws.amazon.com/glue/latest/dg/add-job.html
STREAMING_ONLY = "G.025X"
LONGEST_RUN = 7 * 24 * 60  # minutes; https://docs.aws.amazon.com/glue/latest/webapi/API_Job.html
SHORTEST_IN_STANDARD = (
    30  # days; https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
)
ARCHIVER = "land_raw"  # the function that archives streams
INTERVAL = "batch_interval_seconds"  # of a streaming job: from one batch, or scheduled run, to the next
UNITS = {"minute": 60, "hour": 3600, "day": 86_400}  # seconds of a rate()
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


def _text(pattern: str, form: str) -> AfterValidator:
    """Reject texts of another form."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {form}, not {text!r}")
        return text

    return AfterValidator(check)


Name = Annotated[str, _text(r"[a-z][a-z0-9_]*", "a name of a-z, 0-9 and _")]
Folder = Annotated[str, _text(r"[a-z0-9_]+(/[a-z0-9_]+)*", "a folder of the lake like raw/events")]  # for policies
Schedule = Annotated[
    str, _text(r"rate\([1-9][0-9]* (minute|hour|day)s?\)|cron\(.+\)", "like rate(15 minutes) or cron(0 2 * * ? *)")
]
MaintenanceWindow = Annotated[
    str, _text(r"(Sun|Mon|Tue|Wed|Thu|Fri|Sat):([01]?[0-9]|2[0-3])", "a day and an hour like Sun:03")
]
Percent = Annotated[int, Field(ge=1, le=100)]


class Section(BaseModel):
    """Fields of ``settings.yaml``; others are rejected, and so are values of another type."""

    model_config = STRICT


class Account(Section):
    """The stage's account."""

    region: Annotated[str, _text(r"[a-z]{2}(-[a-z]+)+-[0-9]", "a region like us-east-1")]
    events_per_hour: Annotated[int, Field(ge=1, le=1_000_000_000_000)]
    monthly_budget_usd: Annotated[int, Field(ge=1, le=100_000_000)]
    alarms_to: list[Annotated[str, _text(r"[^@\s]+@[^@\s]+", "an e-mail address")]] = []
    disposable: bool = False


class Stream(Section):
    """A stream of Kinesis."""

    shards: Annotated[int, Field(ge=0, le=10_000)]
    retention_hours: Annotated[int, Field(ge=24, le=8760)]
    silent_minutes: Annotated[int, Field(ge=0, le=1440)] = 0


def _check_days_in_standard(days: int) -> int:
    if 0 < days < SHORTEST_IN_STANDARD:
        raise ValueError(f"must be 0, for never, or at least {SHORTEST_IN_STANDARD}")
    return days


class Bucket(Section):
    """A bucket of S3."""

    infrequent_days: Annotated[int, Field(ge=0, le=36_500), AfterValidator(_check_days_in_standard)] = 0


class KeyAttribute(TypedDict):
    """A part of a key, with DynamoDB's letter for its type."""

    __pydantic_config__ = STRICT  # type: ignore[misc]  # how pydantic is told of a TypedDict

    name: Name
    type: Literal["S", "N", "B"]


class LiveTable(Section):
    """A table of DynamoDB."""

    key: Annotated[list[KeyAttribute], Field(min_length=1, max_length=2)]
    expires: Name
    ttl_days: Annotated[int, Field(ge=1, le=3650)]


class Archive(Section):
    """How the records of a stream, whose name it has, get into the raw archive."""

    by: Literal["function", "firehose"]


class Export(Section):
    """A stream of Firehose that transforms the records of a stream, whose name it has."""

    function: Name
    folder: Folder
    buffer_mb: Annotated[int, Field(ge=1, le=128)]
    buffer_seconds: Annotated[int, Field(ge=60, le=900)]


class Athena(Section):
    """The workgroup of Athena, and what it sees."""

    workgroup: Name
    go_live: Annotated[date, Field(ge=EARLIEST_DATE)]
    scan_limit_gb: Annotated[int, Field(ge=1, le=100_000)]


class TableOptimizers(Section):
    """Glue's own upkeep of the Iceberg tables: https://docs.aws.amazon.com/glue/latest/dg/table-optimizers.html ."""

    enabled: bool
    min_input_files: Annotated[int, Field(ge=2, le=10_000)]
    delete_file_threshold: Annotated[int, Field(ge=1, le=10_000)]
    snapshot_retention_days: Annotated[int, Field(ge=1, le=3650)]
    snapshots_to_retain: Annotated[int, Field(ge=1, le=10_000)]
    orphan_retention_days: Annotated[int, Field(ge=1, le=3650)]
    run_rate_hours: Annotated[int, Field(ge=3, le=168)]


class Access(Section):
    """What a role may use, by name; terraform makes its policy of it."""

    read: list[Folder] = []  # folders of the lake
    write: list[Folder] = []  # likewise
    tables: list[Name] = []  # of the Glue Data Catalog, to commit to
    streams: list[Name] = []  # to read
    put: list[Name] = []  # streams
    set: list[Name] = []  # tables of DynamoDB


class Function(Section):
    """A function of ``lambdas/``."""

    handler: Annotated[str, _text(r"lambdas\.\w+\.\w+", "like lambdas.store.handler")]
    memory_mb: Annotated[int, Field(ge=128, le=10_240)]
    timeout_seconds: Annotated[int, Field(ge=1, le=900)]
    streams: list[Name] = []  # whose records it is invoked with, beside those that it archives
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    batch_seconds: Annotated[int, Field(ge=0, le=300)] = 0
    environment: Mapping[str, str] = {}
    access: Access = Access()


class Job(Section):
    """A script of ``glue_jobs/``."""

    kind: Literal["batch", "streaming"]
    worker_type: Literal["G.025X", "G.1X", "G.2X", "G.4X", "G.8X"]
    workers: Annotated[int, Field(ge=2, le=299)]  # one is the driver's
    flex: bool = False
    timeout_minutes: Annotated[int, Field(ge=1, le=LONGEST_RUN)] | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    concurrency: Annotated[int, Field(ge=1, le=100)] = 1
    schedule: Schedule | None = None
    maintenance_window: MaintenanceWindow | None = None
    arguments: Mapping[str, str | None] = {}  # that differ from the script's defaults; None: not given
    access: Access = Access()

    @property
    def is_continuous(self) -> bool:
        """Whether a run never ends."""
        return self.kind == "streaming" and self.arguments.get("trigger", "continuous") == "continuous"

    @property
    def interval(self) -> int | None:
        """Seconds from one run to the next, None without a schedule like ``rate(15 minutes)``."""
        rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", self.schedule or "")
        return int(rate[1]) * UNITS[rate[2]] if rate else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Reject what Glue would reject, and runs that would pile up, never begin or never end."""
        if self.flex and (self.kind == "streaming" or self.worker_type not in FLEX_WORKERS):
            raise ValueError(f"flex is for batch on {' and '.join(FLEX_WORKERS)}")
        if self.worker_type == STREAMING_ONLY and self.kind != "streaming":
            raise ValueError(f"{STREAMING_ONLY} is for streaming")
        if self.maintenance_window and self.kind != "streaming":
            raise ValueError("maintenance_window is for streaming")
        if self.is_continuous and (self.schedule or self.timeout_minutes):
            raise ValueError("schedule and timeout_minutes must be null where trigger is continuous: a run never ends")
        if self.is_continuous and not self.maintenance_window:
            raise ValueError("maintenance_window is missing: Glue restarts a run that never ends")
        if not self.is_continuous and not self.timeout_minutes:
            raise ValueError("timeout_minutes is missing: Glue's default is 8 hours")
        if self.kind == "streaming" and not self.is_continuous and not self.schedule:
            raise ValueError("schedule is missing: with trigger available_now a run ends")
        return self

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        """Reject a schedule that is no batch interval, and a second interval beside it."""
        if self.kind == "streaming" and self.schedule:
            if not self.interval:
                raise ValueError("schedule must be like rate(15 minutes): BatchUtilization is a percentage of it")
            if INTERVAL in self.arguments:
                raise ValueError(f"arguments.{INTERVAL} is that of schedule where there is one")
        return self


class Pipeline(Section):
    """The state machine ``clickstream``."""

    schedule: Schedule | None = None
    simulates: bool = False
    wait_minutes: Annotated[int, Field(ge=1, le=60)]


class Nightly(Section):
    """The state machine ``nightly``."""

    schedule: Schedule | None = None


class Alarms(Section):
    """Beyond which an alarm goes off."""

    end_to_end_latency_minutes: Annotated[int, Field(ge=1, le=1440)]
    batch_utilization_percent: Percent
    quarantined_percent: Percent
    heap_percent: Percent
    function_memory_percent: Percent


class Settings(Section):
    """What a stage consists of."""

    stage: str
    account: Account
    streams: Mapping[Name, Stream]
    buckets: Mapping[Name, Bucket]
    dynamodb: Mapping[Name, LiveTable]
    archives: Mapping[Name, Archive]
    exports: Mapping[Name, Export]
    athena: Athena
    table_optimizers: TableOptimizers
    functions: Mapping[Name, Function]
    jobs: Mapping[Name, Job]
    pipeline: Pipeline
    nightly: Nightly
    alarms: Alarms

    @classmethod
    def read(cls, stage: str, folder: Path = FOLDER) -> Self:
        """Read a stage; raise ``SettingsError`` that names each wrong setting."""
        try:
            settings = cls.model_validate({"stage": stage, **merged(stage, folder)})
        except ValidationError as error:
            raise SettingsError("; ".join(_sentence(stage, detail) for detail in error.errors())) from error
        for path, name, known in settings.references():
            if name not in known:
                raise SettingsError(f"{stage}: {path}: there is no {name}; there are {', '.join(sorted(known))}")
        settings.check_live_sessions()
        return settings

    @property
    def region(self) -> str:
        """The region of the account."""
        return self.account.region

    def sources(self, function: str) -> list[str]:
        """List the streams whose records a function is invoked with; terraform's ``local.sources`` has the same."""
        archived = [stream for stream, archive in self.archives.items() if archive.by == "function"]
        return [*self.functions[function].streams, *(archived if function == ARCHIVER else [])]

    def check_live_sessions(self) -> None:
        """Raise ``SettingsError`` where session numbers could begin at 1 again while items have them."""
        job, argument = "sessions_stream", "state_ttl_days"
        state_ttl_days = self.jobs[job].arguments.get(argument) or job_arguments.defaults(job)[argument] or ""
        ttl_days = self.dynamodb["live_sessions"].ttl_days
        if not re.fullmatch(r"[0-9]+", state_ttl_days) or int(state_ttl_days) <= ttl_days:
            raise SettingsError(
                f"{self.stage}: jobs.{job}.arguments.{argument} must be more than dynamodb.live_sessions.ttl_days,"
                f" {ttl_days}, not {state_ttl_days!r}: a session number would be given again while its item is there"
            )

    def references(self) -> Iterator[tuple[str, str, Iterable[str]]]:
        """Give each name that stands for something elsewhere: its path, the name, and what there is."""
        yield from (("archives", name, self.streams) for name in self.archives)
        for name, export in self.exports.items():
            yield "exports", name, self.streams
            yield f"exports.{name}.function", export.function, self.functions
        for name, function in self.functions.items():
            yield from ((f"functions.{name}.streams", stream, self.streams) for stream in function.streams)
        for name, job in self.jobs.items():
            yield "jobs", name, job_arguments.names()
            yield from ((f"jobs.{name}.arguments", key, job_arguments.defaults(name)) for key in job.arguments)
        tables = [path.stem for path in TABLES.glob("*.sql")]
        known = {"tables": tables, "streams": self.streams, "put": self.streams, "set": self.dynamodb}
        for path, entry in _entries(functions=self.functions, jobs=self.jobs):
            for kind, there in known.items():
                yield from ((f"{path}.access.{kind}", name, there) for name in getattr(entry.access, kind))


def stages(folder: Path = FOLDER) -> list[str]:
    """List the stages."""
    return sorted(path.stem for path in folder.glob("stages/*.yaml"))


def merged(stage: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Replace fields of ``settings.yaml`` by a stage's own, and an argument of a job by the same argument.

    ``local.settings`` of ``terraform/main.tf`` does the same.
    """
    if stage not in stages(folder):
        raise SettingsError(f"stage {stage} does not exist; there are {', '.join(stages(folder))}")
    settings = _read(folder / "settings.yaml", stage)
    for section, own in _read(folder / "stages" / f"{stage}.yaml", stage).items():
        _check_map(own, f"{stage}: {section}")
        _check_known(section, settings, f"{stage}: there is no {section}")
        _check_map(settings[section], f"settings.yaml: {section}")
        if section in FLAT:
            settings[section] |= own
            continue
        for name, fields in own.items():
            where = f"{section}.{name}"
            _check_map(fields, f"{stage}: {where}")
            _check_known(name, settings[section], f"{stage}: there is no {where}")
            entry = settings[section][name]
            _check_map(entry, f"settings.yaml: {where}")
            if arguments := fields.get("arguments"):
                _check_map(arguments, f"{stage}: {where}.arguments")
                fields["arguments"] = {**entry.get("arguments", {}), **arguments}
            entry |= fields
    return settings


def render(text: str, names: Mapping[str, str]) -> str:
    """Replace each ``${name}`` of a text; raise ``SettingsError`` for a name that is not known."""
    unknown = set(PLACEHOLDER.findall(text)) - names.keys()
    if unknown:
        known = ", ".join(f"${{{name}}}" for name in names)
        raise SettingsError(f"there is no {', '.join(f'${{{name}}}' for name in sorted(unknown))}; there are {known}")
    return PLACEHOLDER.sub(lambda match: names[match[1]], text)


FLAT = {name for name, field in Settings.model_fields.items() if isinstance(field.annotation, type(BaseModel))}


def _read(path: Path, stage: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{stage}: {path.name} is not YAML: {' '.join(str(error).split())}") from error
    _check_map(settings, f"{stage}: {path.name}")
    return dict(settings)


def _check_map(value: object, where: str) -> None:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be a map of settings, not {value!r}")


def _check_known(name: str, known: Mapping[str, Any], sentence: str) -> None:
    if name not in known:
        raise SettingsError(f"{sentence}; there are {', '.join(known)}")


def _entries(**sections: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, entries in sections.items():
        yield from ((f"{section}.{name}", entry) for name, entry in entries.items())


def _sentence(stage: str, detail: ErrorDetails) -> str:
    """Turn an error of pydantic's into one that names the setting as ``settings.yaml`` does."""
    keys = [str(key) for key in detail["loc"]]
    value = detail["input"]
    if detail["type"] == "extra_forbidden":
        return f"{stage}: there is no setting {'.'.join(keys)}"
    if detail["type"] == "missing":
        return f"{stage}: {'.'.join(keys)} is missing"
    path = ".".join(keys[:-1] if keys[-1] == "[key]" else keys)
    if detail["type"] == "value_error":
        reason = str(detail["ctx"]["error"])
        return f"{stage}: {path}{' ' if reason.startswith('must') else ': '}{reason}"
    must = re.sub(r"^\w+ should ", "must ", detail["msg"])
    quoted = "; quote it" if detail["type"] == "string_type" and isinstance(value, int | float) else ""
    return f"{stage}: {path} {must}, not {value!r}{quoted}"
