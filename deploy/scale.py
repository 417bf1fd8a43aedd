"""The load that a stage carries and what it costs; ``python -m deploy.scale`` prints the table of docs/scale.md.

It follows an event: its stream, its archive, ``events_stream``, the table, and the nightly jobs over it.
"""

import math
from dataclasses import dataclass

from deploy import job_arguments
from deploy.settings import ARCHIVER, INTERVAL, Function, Job, Settings, stages

SECONDS = 3600
DAY = 24 * SECONDS
HOURS = 730  # of a month
GIB, MIB, KIB = 2**30, 2**20, 2**10

# us-east-1, dollars
GLUE_DPU_HOUR, GLUE_FLEX_DPU_HOUR = 0.308, 0.203  # https://aws.amazon.com/glue/pricing/
SHARD_HOUR, SHARD_HOUR_RETENTION = 0.015, 0.020  # https://aws.amazon.com/kinesis/data-streams/pricing/
FREE_HOURS = 24  # of retention
PUT_UNITS_MILLION, PUT_UNIT_BYTES = 0.014, 25 * KIB
ON_DEMAND_HOUR, ON_DEMAND_IN_GB, ON_DEMAND_OUT_GB = 0.04, 0.08, 0.04
FIREHOSE_GB, FIREHOSE_UNIT_BYTES = 0.029, 5 * KIB  # https://aws.amazon.com/firehose/pricing/
FIREHOSE_KEYED_GB, FIREHOSE_KEYED_THOUSAND_OBJECTS = 0.020, 0.005
FIREHOSE_OBJECT_BYTES, FIREHOSE_SECONDS = 128 * MIB, 300  # of an archive: deploy/terraform/streams.tf
LAMBDA_GB_SECOND, LAMBDA_MILLION_CALLS = 0.0000133334, 0.20  # https://aws.amazon.com/lambda/pricing/; arm64
S3_THOUSAND_WRITES, S3_THOUSAND_READS, S3_GB_MONTH = 0.005, 0.0004, 0.023  # https://aws.amazon.com/s3/pricing/

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS, SHARD_BYTES = 1000, MIB
ON_DEMAND_SHARDS = 4  # to begin with; https://docs.aws.amazon.com/streams/latest/dev/how-do-i-size-a-stream.html
# https://docs.aws.amazon.com/glue/latest/dg/worker-types.html
WORKERS = {"G.025X": (0.25, 2), "G.1X": (1, 4), "G.2X": (2, 8), "G.4X": (4, 16), "G.8X": (8, 32)}  # DPU, cores
LAMBDA_PAYLOAD_BYTES = 6 * MIB  # of a batch; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAMBDA_RECORD_BYTES = 582  # of a record in an event, beside its data in base64: local.aws.event_sources writes it
LAMBDA_MB_PER_CORE = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html

# Measured: tools/bench/lambdas.md, events_stream.md, events_batch.md, sessions_batch.md
EVENT_BYTES = 286
PARQUET_BYTES = 393_000_000 / 5_004_919  # per event
FILE_BYTES = 256 * MIB  # of Parquet, 128-512 MB: clickstream.runtime.glue
EVENT_TYPES = 100
TRANSFORMED_PER_CORE = 101_891  # events a second
ARCHIVED_PER_CORE = 241_222
STREAMED_PER_CORE = 5_443 / 2
REBUILT_PER_CORE = 5_109_877 / 176.3
SESSIONS_PER_CORE = 5_110_008 / 109.7

# Assumed
START_SECONDS = 60  # per run: to start Spark, to commit, to end
BATCH_SECONDS = 10  # per batch: to plan and to commit
BATCH_WRITES = 20  # objects per batch: Iceberg's metadata, the checkpoint, quarantined rows
FULL = 0.7  # the part of a shard, of a batch interval or of a timeout that may be used
READERS = 2  # of the stream: the archive and the job
ARCHIVED_HOURS, OBJECT_READS = 49, 2  # the night reads the objects of two days and an hour, by a HEAD and a GET


@dataclass(frozen=True)
class Night:
    """A nightly job over a day's events."""

    minutes: float
    dpu_hours: float

    @classmethod
    def of(cls, job: Job, events: float, per_core: float) -> "Night":
        """Estimate it by the events per second and core."""
        dpu, _ = WORKERS[job.worker_type]
        seconds = START_SECONDS + events / per_core / cores(job)
        return cls(seconds / 60, job.workers * dpu * seconds / SECONDS)


@dataclass(frozen=True)
class Scale:
    """A stage under the load that it is sized for; all but the nights by the hour."""

    settings: Settings

    @property
    def events(self) -> int:
        """Events an hour."""
        return self.settings.account.events_per_hour

    @property
    def shards_needed(self) -> int:
        """Shards of which ``FULL`` carries the load."""
        by_shard = min(SHARD_RECORDS, SHARD_BYTES / EVENT_BYTES) * FULL
        return math.ceil(self.events / SECONDS / by_shard)

    @property
    def streams(self) -> float:
        """Dollars: all streams while idle, and records put into and read from ``events``."""
        streams = self.settings.streams
        standing = sum(
            stream.shards * (SHARD_HOUR + (SHARD_HOUR_RETENTION if stream.retention_hours > FREE_HOURS else 0))
            if stream.shards
            else ON_DEMAND_HOUR
            for stream in streams.values()
        )
        if streams["events"].shards:
            return standing + self.events * math.ceil(EVENT_BYTES / PUT_UNIT_BYTES) * PUT_UNITS_MILLION / 1e6
        put = self.events * math.ceil(EVENT_BYTES / KIB) * KIB / GIB
        return standing + put * (ON_DEMAND_IN_GB + READERS * ON_DEMAND_OUT_GB)

    @property
    def objects(self) -> float:
        """Objects that are added to the raw archive: one a batch of the function; by size or by time of Firehose."""
        if self.settings.archives["events"].by == "firehose":
            return max(self.events * EVENT_BYTES / FIREHOSE_OBJECT_BYTES, SECONDS / FIREHOSE_SECONDS)
        function = self.settings.functions[ARCHIVER]
        batch = min(function.batch_size, LAMBDA_PAYLOAD_BYTES / (LAMBDA_RECORD_BYTES + EVENT_BYTES * 4 / 3))
        by_time = (self.settings.streams["events"].shards or ON_DEMAND_SHARDS) * SECONDS / (function.batch_seconds or 1)
        return max(self.events / batch, min(by_time, self.events))

    @property
    def archive(self) -> float:
        """Dollars: a function, what invokes it, and PUT requests."""
        puts = self.objects / 1000 * S3_THOUSAND_WRITES
        if self.settings.archives["events"].by == "function":
            return called(self.settings.functions[ARCHIVER], self.events / ARCHIVED_PER_CORE, self.objects) + puts
        billed = self.events * math.ceil(EVENT_BYTES / FIREHOSE_UNIT_BYTES) * FIREHOSE_UNIT_BYTES / GIB
        keyed = (
            self.events * EVENT_BYTES / GIB * FIREHOSE_KEYED_GB + self.objects / 1000 * FIREHOSE_KEYED_THOUSAND_OBJECTS
        )
        calls = max(self.events * EVENT_BYTES / (2 * MIB), SECONDS / 61)  # as deploy/terraform/streams.tf asks for
        function = self.settings.functions["transform_events"]
        return billed * FIREHOSE_GB + keyed + called(function, self.events / TRANSFORMED_PER_CORE, calls) + puts

    @property
    def job(self) -> Job:
        """The streaming job."""
        return self.settings.jobs["events_stream"]

    @property
    def interval(self) -> int:
        """Seconds from one batch, or run, to the next."""
        return batch_interval("events_stream", self.job)

    @property
    def busy(self) -> float:
        """Seconds of the interval that a batch, or run, takes."""
        return fixed_seconds(self.job) + self.events / SECONDS * self.interval / STREAMED_PER_CORE / cores(self.job)

    @property
    def dpu_hours(self) -> float:
        """DPU-hours an hour."""
        dpu, _ = WORKERS[self.job.worker_type]
        return self.job.workers * dpu * (1 if self.job.is_continuous else max(60, self.busy) / self.interval)

    @property
    def files(self) -> int:
        """Files that a batch adds to the table: one for each event type and day."""
        return files(self.events * self.interval / SECONDS)

    @property
    def writes(self) -> float:
        """Requests that cost what a PUT does: the table's files, and ``BATCH_WRITES``."""
        return (self.files + BATCH_WRITES) * SECONDS / self.interval

    @property
    def table(self) -> float:
        """Dollars: the job and its PUT requests."""
        return self.dpu_hours * GLUE_DPU_HOUR + self.writes / 1000 * S3_THOUSAND_WRITES

    @property
    def nights(self) -> tuple[Night, Night]:
        """The jobs of the state machine ``nightly``: a day of the table is rebuilt, and sessions brought up to date."""
        jobs = self.settings.jobs
        return (
            Night.of(jobs["events_batch"], self.events * ARCHIVED_HOURS, REBUILT_PER_CORE),
            Night.of(jobs["sessions_batch"], self.events * 24, SESSIONS_PER_CORE),
        )

    @property
    def by_night(self) -> float:
        """Dollars of the nights, by the hour, with the reading of the archive."""
        reads = self.objects * ARCHIVED_HOURS / 24 * OBJECT_READS / 1000 * S3_THOUSAND_READS
        return sum(night.dpu_hours for night in self.nights) * GLUE_FLEX_DPU_HOUR / 24 + reads

    @property
    def dollars(self) -> float:
        """Dollars of everything above."""
        return self.streams + self.archive + self.table + self.by_night

    @property
    def stored(self) -> float:
        """Gigabytes of Parquet a day."""
        return self.events * 24 * PARQUET_BYTES / GIB


def called(function: Function, core_seconds: float, calls: float) -> float:
    """Return the dollars of a function's calls."""
    seconds = core_seconds / min(function.memory_mb / LAMBDA_MB_PER_CORE, 1)
    return seconds * function.memory_mb / 1024 * LAMBDA_GB_SECOND + calls / 1e6 * LAMBDA_MILLION_CALLS


def files(events: float) -> int:
    """Count the files of a day: one for each event type, more where they would be too large."""
    return max(min(EVENT_TYPES, math.ceil(events)), math.ceil(events * PARQUET_BYTES / FILE_BYTES))


def cores(job: Job) -> int:
    """Count the cores of a job's workers, without the driver's."""
    return (job.workers - 1) * WORKERS[job.worker_type][1]


def batch_interval(name: str, job: Job) -> int:
    """Return a streaming job's ``--batch_interval_seconds``: that of its schedule, if it has one."""
    return job.interval or int({**job_arguments.defaults(name), **job.arguments}[INTERVAL] or 0)


def fixed_seconds(job: Job) -> int:
    """Return what a streaming job's batch, or run, takes without rows."""
    return BATCH_SECONDS if job.is_continuous else START_SECONDS


def lines(scale: Scale) -> dict[str, str]:
    """Return a stage's column of the table."""
    shards, rebuild, sessions = scale.settings.streams["events"].shards, *scale.nights
    per_million = 1e6 / scale.events
    return {
        "events an hour": f"{scale.events:,}",
        "events a second": f"{scale.events / SECONDS:,.1f}",
        "MB a second": f"{scale.events / SECONDS * EVENT_BYTES / 1e6:,.2f}",
        "**stream**: shards, needed": f"{shards or 'on demand'}, {scale.shards_needed}",
        "**archive**: objects an hour": f"{scale.objects:,.0f}",
        "**`events_stream`**: workers": f"{scale.job.workers} of {scale.job.worker_type}",
        "runs": "continuously" if scale.job.is_continuous else f"every {scale.interval // 60} min",
        "busy": f"{scale.busy:,.0f} s, {scale.busy / scale.interval:.0%}",
        "DPU-hours an hour": f"{scale.dpu_hours:,.3f}",
        "files a day": f"{scale.files * DAY // scale.interval:,}",
        "files a day, after the night": f"{files(scale.events * 24):,}",
        "objects written an hour": f"{scale.writes:,.0f}",
        "GB of Parquet a day": f"{scale.stored:,.2f}",
        "**night**: `events_batch`": f"{rebuild.minutes:,.0f} min, {rebuild.dpu_hours:,.2f} DPU-hours",
        "`sessions_batch`": f"{sessions.minutes:,.0f} min, {sessions.dpu_hours:,.2f} DPU-hours",
        "**$ per million events**: streams": f"{scale.streams * per_million:,.4f}",
        "archive": f"{scale.archive * per_million:,.4f}",
        "`events_stream`": f"{scale.table * per_million:,.4f}",
        "nights": f"{scale.by_night * per_million:,.4f}",
        "all": f"{scale.dollars * per_million:,.4f}",
        "**$ a month**": f"{scale.dollars * HOURS:,.0f}",
        "and for each month in S3": f"{scale.stored * HOURS / 24 * S3_GB_MONTH:,.2f}",
    }


def table() -> str:
    """Return the table, the smallest stage first."""
    every = [Scale(Settings.read(stage)) for stage in stages()]
    scales = sorted((scale for scale in every if not scale.settings.account.disposable), key=lambda scale: scale.events)
    columns = [lines(scale) for scale in scales]
    head = f"| | {' | '.join(f'`{scale.settings.stage}`' for scale in scales)} |\n|---{'|--:' * len(scales)}|\n"
    return head + "".join(f"| {name} | {' | '.join(column[name] for column in columns)} |\n" for name in columns[0])


if __name__ == "__main__":
    print(table(), end="")
