"""Glue: jobs and their runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import OWNED, Account, is_missing
from deploy.package import Package
from deploy.plan import Fields
from deploy.settings import INTERVAL, Job, render

GLUE_VERSION = "6.0"  # without it AWS picks 5.1
TEMP_FOLDER = "tmp"  # of the lake, local.temp_folder of terraform: every job writes there, a lifecycle rule empties it
COMMANDS = {"batch": "glueetl", "streaming": "gluestreaming"}
FEWER_REQUESTS = {  # to S3: docs/decisions/0020-fewer-requests-to-s3.md
    "spark.hadoop.fs.s3a.performance.flags": "create,mkdir,delete",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
    "spark.sql.streaming.fileStreamSink.ignoreMetadata": "true",
}
CHEAPER_PLANS = {  # docs/decisions/0029-a-small-batch-is-mostly-its-plans.md
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.sql.codegen.cache.maxEntries": "2000",
}
# What GetJob answers and UpdateJob does not take, or derives from the other fields.
NOT_DEFINED = {"Name", "CreatedOn", "LastModifiedOn", "AllocatedCapacity", "MaxCapacity", "ProfileName"}


@dataclass(frozen=True)
class GlueJob:
    """A job; ``definition`` None: the settings do not have it any more."""

    name: str
    definition: Fields | None
    account: Account

    @property
    def title(self) -> str:
        return f"job {self.name}"

    @property
    def desired(self) -> Fields | None:
        return self.definition and {**self.definition, "Tags": self.account.tags}

    def actual(self) -> Fields | None:
        """Read its definition, with what was set by hand, and those of its tags that are ours."""
        try:
            job = self._glue.get_job(JobName=self.name)["Job"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        tags = self._glue.get_tags(ResourceArn=self._arn)["Tags"]
        return {
            **{name: value for name, value in job.items() if name not in NOT_DEFINED and value not in ({}, [], None)},
            "Tags": self.account.own(tags),
        }

    def create(self) -> None:
        self._glue.create_job(Name=self.name, Tags=self.account.tags, **(self.definition or {}))

    def update(self) -> None:
        """Replace the whole definition: UpdateJob resets what it is not given."""
        self._glue.update_job(JobName=self.name, JobUpdate=self.definition)
        self._glue.tag_resource(ResourceArn=self._arn, TagsToAdd=self.account.tags)

    def delete(self) -> None:
        """Delete it, and with it the history of its runs."""
        self._glue.delete_job(JobName=self.name)

    @property
    def _arn(self) -> str:
        return self.account.arn("glue", f"job/{self.name}")

    @property
    def _glue(self) -> Any:
        return self.account.client("glue")


def resources(account: Account, package: Package) -> list[GlueJob]:
    """List the jobs of the settings, and deployed ones that the settings do not have any more."""
    jobs = account.settings.jobs
    return [
        *[GlueJob(name, definition(name, job, account, package), account) for name, job in jobs.items()],
        *[GlueJob(name, None, account) for name in deployed(account) if name not in jobs],
    ]


def deployed(account: Account) -> list[str]:
    """List the jobs that have our tags."""
    pages = account.client("glue").get_paginator("list_jobs").paginate(Tags=OWNED)
    return [name for page in pages for name in page["JobNames"]]


def definition(name: str, job: Job, account: Account, package: Package) -> Fields:
    """Return the whole definition of a job, as CreateJob and UpdateJob take it."""
    code, lake = f"s3://{account.bucket('code')}", f"s3://{account.bucket('lake')}"
    interval = {f"--{INTERVAL}": str(job.interval)} if job.kind == "streaming" and job.interval else {}
    optional = {"MaintenanceWindow": job.maintenance_window, "Timeout": job.timeout_minutes}
    return {
        "Description": f"glue_jobs/{name}.py",
        "Role": account.role(f"job-{name}"),
        "GlueVersion": GLUE_VERSION,
        "Command": {
            "Name": COMMANDS[job.kind],
            "PythonVersion": "3",
            "ScriptLocation": f"{code}/{package.scripts[name].key}",
        },
        "WorkerType": job.worker_type,
        "NumberOfWorkers": job.workers,
        "ExecutionClass": "FLEX" if job.flex else "STANDARD",
        "MaxRetries": job.retries,
        "ExecutionProperty": {"MaxConcurrentRuns": job.concurrency},
        "DefaultArguments": {
            "--enable-auto-scaling": "true",
            "--enable-metrics": "true",
            "--enable-observability-metrics": "true",
            "--enable-continuous-cloudwatch-log": "true",
            "--datalake-formats": "iceberg",
            "--conf": spark_conf(lake, account.settings.region),
            "--extra-py-files": f"{code}/{package.wheel.key}",
            "--job-language": "python",
            "--TempDir": f"{lake}/{TEMP_FOLDER}",
            **interval,
            **{f"--{key}": render(text, account.names) for key, text in job.arguments.items() if text is not None},
        },
        **{name: value for name, value in optional.items() if value is not None},
    }


def spark_conf(lake: str, region: str) -> str:
    """Return Spark's settings for S3 and the catalog ``glue_catalog``, as Glue takes several in one ``--conf``."""
    catalog = "spark.sql.catalog.glue_catalog"
    settings = {
        "spark.hadoop.fs.s3a.endpoint.region": region,  # otherwise requests are signed for us-east-2
        **FEWER_REQUESTS,
        **CHEAPER_PLANS,
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{catalog}.warehouse": f"{lake}/",
    }
    return " --conf ".join(f"{name}={value}" for name, value in settings.items())


def start(account: Account, name: str, arguments: Mapping[str, str]) -> str:
    """Start a run; return its id."""
    run_id: str = account.client("glue").start_job_run(JobName=name, Arguments=dict(arguments))["JobRunId"]
    return run_id


def runs(account: Account, name: str) -> list[dict[str, Any]]:
    """Return the last runs of a job, newest first; none where the job does not exist."""
    try:
        answer = account.client("glue").get_job_runs(JobName=name, MaxResults=10)
    except ClientError as error:
        if is_missing(error):
            return []
        raise
    job_runs: list[dict[str, Any]] = answer["JobRuns"]
    return sorted(job_runs, key=lambda run: run["StartedOn"], reverse=True)


def run(account: Account, name: str, run_id: str) -> dict[str, Any]:
    """Return one run."""
    job_run: dict[str, Any] = account.client("glue").get_job_run(JobName=name, RunId=run_id)["JobRun"]
    return job_run
