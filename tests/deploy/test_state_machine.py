"""Every path through the state machines, on the local AWS, where functions and runs of jobs are processes."""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, count

import boto3
import pytest
from botocore.config import Config
from statelint.linter import Linter

from deploy import functions, jobs, package, schedules, state_machine, tables
from deploy.account import Account
from deploy.settings import Settings, stages
from lambdas import land_raw
from local import aws
from local.aws import event_sources
from simulator import FORMATS

pytestmark = [pytest.mark.server, pytest.mark.process]
LONGEST_SECONDS = 600  # a machine may be busy
MISSING = "not-there"
numbers = count()


@pytest.fixture(scope="module")
def account():
    """Deploy what the state machine calls."""
    with aws.running() as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment(endpoint).items():
            patch.setenv(name, value)
        account = Account.of(Settings.read("dev"), endpoint)
        patch.setenv("RAW_PATH", f"s3://{account.bucket('lake')}/raw")
        s3, packed = account.client("s3"), package.build()
        for bucket in account.settings.buckets:
            s3.create_bucket(Bucket=account.bucket(bucket))
        for artifact in packed.artifacts:
            s3.put_object(Bucket=account.bucket("code"), Key=artifact.key, Body=artifact.content)
        account.client("kinesis").create_stream(StreamName="clickstream", ShardCount=1)
        for role in ("function-simulate", "pipeline"):
            account.client("iam").create_role(RoleName=f"clickstream-dev-{role}", AssumeRolePolicyDocument="{}")
        account.client("glue").create_database(DatabaseInput={"Name": "clickstream"})
        account.client("athena").create_work_group(Name=account.settings.athena.workgroup, Configuration={})
        everything = tables.resources(account), functions.resources(account, packed), jobs.resources(account, packed)
        for resource in chain(*everything):
            if resource.title in {
                "table clickstream",
                "table quarantine",
                "function simulate",
                "job clickstream_batch",
            }:
                resource.create()
        yield account


@pytest.fixture(scope="module")
def notifications(account):
    """Subscribe a queue to both topics; return what was published since the last call."""
    sns, sqs = account.client("sns"), account.client("sqs")
    queue = sqs.create_queue(QueueName="notifications")["QueueUrl"]
    for topic in ("PipelineSuccess", "PipelineFailure"):
        arn = sns.create_topic(Name=topic)["TopicArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=account.arn("sqs", "notifications"))

    def since():
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in received]
        return [(body["TopicArn"].rpartition(":")[2], body["Message"]) for body in bodies]

    since()
    return since


@pytest.fixture(scope="module")
def archiving(account):
    """Invoke land_raw with the records of the stream, as Lambda does, while the event is set."""
    is_on, is_over = threading.Event(), threading.Event()
    trigger = event_sources.Trigger(event_sources.Shards(account.client("kinesis"), "clickstream"), land_raw.handler)

    def archive():
        while not is_over.is_set():
            if is_on.is_set():
                trigger.drain()
            time.sleep(0.2)

    archiver = threading.Thread(target=archive)
    archiver.start()
    yield is_on
    is_over.set()
    archiver.join()


def definition(account, start=None, assign=None, name="clickstream", **changed):
    """Return the definition without its pauses; from a later state on; with other arguments of some states."""
    machine = json.loads(state_machine.definition(account, name))
    for state, arguments in changed.items():
        machine["States"][state]["Arguments"] |= arguments
    for state in machine["States"].values():
        if state["Type"] == "Wait":
            state["Seconds"] = 1
        for retry in state.get("Retry", []):
            retry |= {"IntervalSeconds": 1, "MaxAttempts": 1}
            retry.pop("JitterStrategy")
    if start:
        started_at = datetime.now(UTC).isoformat()[:19] + "Z"
        variables = {"started_at": started_at, "polls": 0, "run": "jr_1", "dates": ["2024-03-17"], **(assign or {})}
        machine["States"]["Begin"] = {"Type": "Pass", "Assign": variables, "Next": start}
        machine["StartAt"] = "Begin"
    return json.dumps(machine)


def execute(account, text, **given):
    """Run a machine to its end; return the execution, and the states that it entered."""
    steps = account.client("stepfunctions")
    machine = steps.create_state_machine(
        name=f"machine-{next(numbers)}", definition=text, roleArn=account.role("pipeline")
    )
    execution = steps.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(given))
    deadline = time.monotonic() + LONGEST_SECONDS
    while (ended := steps.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    history = steps.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)["events"]
    return ended, [
        event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event
    ]


def folders(account):
    listed = account.client("s3").list_objects_v2(
        Bucket=account.bucket("lake"), Prefix="clickstream/event_date=", Delimiter="/"
    )
    return {folder["Prefix"].split("=")[1].strip("/") for folder in listed.get("CommonPrefixes", [])}


def registered(account):
    found = account.client("glue").get_partitions(DatabaseName="clickstream", TableName="clickstream")["Partitions"]
    lake = account.bucket("lake")
    assert all(
        partition["StorageDescriptor"]["Location"] == f"s3://{lake}/clickstream/event_date={partition['Values'][0]}/"
        for partition in found
    )
    return {partition["Values"][0] for partition in found}


@pytest.fixture(scope="module", params=state_machine.names())
def machine(request, account):
    return json.loads(state_machine.definition(account, request.param))


def test_it_is_valid(machine):
    assert Linter.validate(json.dumps(machine)) == []


def test_both_have_the_same_end(account):
    one, other = (json.loads(state_machine.definition(account, name)) for name in ("clickstream", "nightly"))
    for state in ("NotifyFailure", "Failed"):
        expected = json.dumps(one["States"][state]).replace("clickstream pipeline", "nightly pipeline")
        assert json.dumps(other["States"][state]) == expected


def test_every_task_is_retried_and_its_failure_notified(machine):
    for name, state in machine["States"].items():
        if state["Type"] == "Task":
            of_calls = [retry for retry in state["Retry"] if not is_of_a_run(state, retry)]
            assert all(retry["BackoffRate"] > 1 and retry["MaxAttempts"] >= 4 for retry in of_calls), name
            (caught,) = state["Catch"]
            assert caught["ErrorEquals"] == ["States.ALL"], name
            assert caught["Next"] == ("Failed" if name == "NotifyFailure" else "NotifyFailure"), name
            assert name == "NotifyFailure" or caught["Assign"]["failed"] == name


def is_of_a_run(state, retry):
    return state["Resource"].endswith(":glue:startJobRun.sync") and retry["ErrorEquals"] == ["States.TaskFailed"]


@pytest.mark.parametrize("stage", stages())
def test_a_task_waits_for_as_long_as_its_run_may_take_and_the_machine_for_all(machine, stage):
    settings, longest = Settings.read(stage), 0
    for state in machine["States"].values():
        if state.get("Resource", "").endswith(":glue:startJobRun.sync"):
            job = settings.jobs[state["Arguments"]["JobName"]]
            assert state["TimeoutSeconds"] >= 60 * job.timeout_minutes + 1800  # <- Flex may start late
            assert job.retries == 0  # <- Glue retries under another id, for which nobody would wait
            runs = 1 + sum(retry["MaxAttempts"] for retry in state["Retry"] if is_of_a_run(state, retry))
            longest += runs * state["TimeoutSeconds"]
    assert machine["TimeoutSeconds"] > longest


def test_visits_become_rows_and_partitions(account, archiving, notifications):
    archiving.set()
    ended, states = execute(account, definition(account), seconds=2, rate=20)
    assert ended["status"] == "SUCCEEDED", ended
    assert [state for state in states if state not in {"WaitForArrival", "ListArrived", "HasArrived"}] == [
        "Simulates", "Simulate", "RunJob", "ListPartitions", "DescribeTable", "RegisterPartitions", "AreRegistered",
        "NotifySuccess",
    ]  # fmt: skip
    ((topic, said),) = notifications()
    assert topic == "PipelineSuccess"
    assert said.startswith("The table clickstream has all visits that arrived before 20")
    assert "Glue run: jr_" in said
    (run,) = account.client("glue").get_job_runs(JobName="clickstream_batch")["JobRuns"]
    assert run["JobRunState"] == "SUCCEEDED"
    assert registered(account) == folders(account) != set()


def test_partitions_that_are_there_are_left_alone(account, notifications):
    there = registered(account)
    ended, states = execute(account, definition(account, start="ListPartitions"))
    assert ended["status"] == "SUCCEEDED", ended
    assert states[1:] == ["ListPartitions", "DescribeTable", "RegisterPartitions", "AreRegistered", "NotifySuccess"]
    assert registered(account) == there
    assert [topic for topic, _ in notifications()] == ["PipelineSuccess"]


def test_a_job_that_fails_is_notified_in_its_own_words(account, archiving, notifications):
    archiving.set()
    now = datetime.now(UTC)
    key = f"raw/clickstream/arrived={now:%Y-%m-%d}/{now:%H}/bad.json"
    account.client("s3").put_object(Bucket=account.bucket("lake"), Key=key, Body=b"not JSON\n" * 1000)
    ended, states = execute(account, definition(account), seconds=1, rate=5)
    account.client("s3").delete_object(Bucket=account.bucket("lake"), Key=key)
    assert ended["status"] == "FAILED"
    assert states[-3:] == ["RunJob", "NotifyFailure", "Failed"]
    ((topic, said),) = notifications()
    assert topic == "PipelineFailure"
    assert said.startswith("RunJob failed: clickstream_batch: 100")
    assert "a larger ratio than --max_quarantined_ratio 0.1; nothing was committed (States.TaskFailed)" in said


def test_a_function_that_fails_is_notified(account, notifications):
    ended, states = execute(account, definition(account), format="nonsense")
    assert ended["status"] == "FAILED"
    assert states == ["Simulates", "Simulate", "NotifyFailure", "Failed"]
    failure = "Simulate failed: nonsense is not known to the simulator. (ValueError)"
    assert notifications() == [("PipelineFailure", failure)]


def test_nothing_archived_is_notified_in_the_end(account, archiving, notifications):
    archiving.clear()
    impatient = account.settings.pipeline.model_copy(update={"wait_minutes": 1})
    waiting = replace(account, settings=account.settings.model_copy(update={"pipeline": impatient}))
    time.sleep(1.1)  # what was archived before is older than this run
    ended, states = execute(account, definition(waiting), seconds=1, rate=1)
    assert ended["status"] == "FAILED"
    waited = ["Simulates", "Simulate", *["WaitForArrival", "ListArrived", "HasArrived"] * 4]
    assert states == [*waited, "NotifyFailure", "Failed"]
    ((_, said),) = notifications()
    assert said == (
        "HasArrived failed: nothing arrived in raw/clickstream within 1 minutes; see the function land_raw"
        " (NothingArrived)"
    )


@pytest.mark.parametrize(
    ("state", "arguments"),
    [
        ("ListArrived", {"Bucket": MISSING}),
        ("ListPartitions", {"Bucket": MISSING}),
        ("DescribeTable", {"Name": MISSING}),
        ("RegisterPartitions", {"TableName": MISSING}),
        ("NotifySuccess", {"TopicArn": f"arn:aws:sns:us-east-1:123456789012:{MISSING}"}),
    ],
)
def test_whatever_fails_is_notified(account, notifications, state, arguments):
    ended, states = execute(account, definition(account, start=state, **{state: arguments}))
    assert ended["status"] == "FAILED"
    assert states == ["Begin", state, "NotifyFailure", "Failed"]
    ((topic, said),) = notifications()
    assert topic == "PipelineFailure"
    assert said.startswith(f"{state} failed: ")


def test_a_partition_that_cannot_be_registered_is_notified(account, notifications):
    rejected = [{"ErrorCode": "InternalServiceException", "ErrorMessage": "not now"}]  # moto rejects none
    ended, states = execute(account, definition(account, start="AreRegistered", assign={"wrong": rejected}))
    assert ended["status"] == "FAILED"
    assert states == ["Begin", "AreRegistered", "NotifyFailure", "Failed"]
    assert notifications() == [("PipelineFailure", "RegisterPartitions failed: not now (InternalServiceException)")]


def test_a_job_that_is_running_is_waited_for(account, notifications):
    glue = account.client("glue")
    runs = len(glue.get_job_runs(JobName="clickstream_batch")["JobRuns"])
    (job,) = [job for job in jobs.resources(account, package.build()) if job.name == "clickstream_batch"]
    replace(job, definition={**job.definition, "ExecutionProperty": {"MaxConcurrentRuns": 0}}).update()
    ended, states = execute(account, definition(account, start="RunJob"))
    job.update()
    assert ended["status"] == "FAILED"
    assert states == ["Begin", "RunJob", "NotifyFailure", "Failed"]
    ((_, said),) = notifications()
    assert (
        said == "RunJob failed: Concurrent runs exceeded for clickstream_batch (Glue.ConcurrentRunsExceededException)"
    )
    assert len(glue.get_job_runs(JobName="clickstream_batch")["JobRuns"]) == runs


def test_where_nothing_is_simulated_what_is_archived_is_loaded_if_there_is_anything(account, notifications):
    quiet = account.settings.pipeline.model_copy(update={"simulates": False})
    quiet = replace(account, settings=account.settings.model_copy(update={"pipeline": quiet}))
    archive, arrival = {"Prefix": "raw/quiet/"}, f"arrived={datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    ended, states = execute(account, definition(quiet, ListArchived=archive))
    assert (ended["status"], states) == ("SUCCEEDED", ["Simulates", "ListArchived", "IsArchived", "NotifySuccess"])
    ((_, said),) = notifications()
    assert said.endswith("Glue run: none, since no visits arrived")
    account.client("s3").put_object(Bucket=account.bucket("lake"), Key=f"raw/clickstream/{arrival}/23/x.json")
    _, states = execute(account, definition(quiet, RunJob={"JobName": MISSING}))
    account.client("s3").delete_object(Bucket=account.bucket("lake"), Key=f"raw/clickstream/{arrival}/23/x.json")
    assert states == ["Simulates", "ListArchived", "IsArchived", "RunJob", "NotifyFailure", "Failed"]
    assert [topic for topic, _ in notifications()] == ["PipelineFailure"]


CUT = '{"Arguments":{"--raw_path":"' + "x" * 40_000
CAUSES = [
    # Cause, what is said of it
    ({"Cause": '{"ErrorMessage":"no \\"events\\"","JobRunState":"FAILED"}'}, 'no "events"'),
    ({"Cause": '{"errorMessage":"too late","errorType":"ValueError"}'}, "too late"),
    ({"Cause": '{"JobName":"x","JobRunState":"TIMEOUT"}'}, "the run ended with TIMEOUT and no message"),
    ({"Cause": '{"ErrorMessage":"","JobRunState":"ERROR"}'}, "the run ended with ERROR and no message"),
    ({"Cause": '{"ErrorMessage":"all of it","StackTrace":"' + "x" * 40_000}, "all of it"),  # <- cut after it
    ({"Cause": CUT[:32_768]}, CUT[:1000]),  # <- cut before it
    ({"Cause": '{"JobRunState":"FAILED","ErrorMessage":"half of'}, "the run ended with FAILED and no message"),
    ({"Cause": "Rate exceeded"}, "Rate exceeded"),
    ({}, ""),
]


@pytest.mark.parametrize(("error", "said"), CAUSES, ids=range(len(CAUSES)))
def test_whatever_the_cause_is_it_is_said_in_words(account, notifications, error, said):
    assign = {"failed": "RunJob", "error": "{% $states.input %}"}
    text = definition(account, start="NotifyFailure", assign=assign)
    ended, states = execute(account, text, Error="States.TaskFailed", **error)
    assert (ended["status"], states) == ("FAILED", ["Begin", "NotifyFailure", "Failed"])
    assert notifications() == [("PipelineFailure", f"RunJob failed: {said} (States.TaskFailed)")]


@pytest.fixture(scope="module")
def nightly_jobs(account):
    """Deploy the jobs of the night with a timeout after which Glue stops every run."""
    client = boto3.client(
        "glue", account.settings.region, endpoint_url=account.endpoint_url, config=Config(parameter_validation=False)
    )
    for job in jobs.resources(account, package.build()):
        if job.name in {"events_batch", "sessions_batch"}:
            account.client("iam").create_role(
                RoleName=account.role(f"job-{job.name}").rpartition("/")[2], AssumeRolePolicyDocument="{}"
            )
            client.create_job(Name=job.name, **{**job.definition, "Timeout": 0})


def arrived(account, folder):
    account.client("s3").put_object(
        Bucket=account.bucket("lake"), Key=f"raw/events/arrived={folder}/x.json", Body=b"{}"
    )


@pytest.mark.usefixtures("nightly_jobs")
def test_a_night_rebuilds_the_day_before_its_start(account, notifications):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    today, yesterday, before, older = (f"{midnight - timedelta(days=days):%Y-%m-%d}" for days in range(4))
    arrived(account, f"{older}/23")
    ended, states = execute(account, definition(account, name="nightly"))
    assert states[:4] == ["Yesterday", "ListArchived", "IsArchived", "UpdateSessions"]  # <- too old to be read
    arrived(account, f"{before}/00")
    ended, states = execute(account, definition(account, name="nightly"))
    assert ended["status"] == "FAILED"
    assert states[:4] == ["Yesterday", "ListArchived", "IsArchived", "RebuildEvents"]
    assert notifications()[-1] == (
        "PipelineFailure", "RebuildEvents failed: the run ended with TIMEOUT and no message (States.TaskFailed)"
    )  # fmt: skip
    runs = account.client("glue").get_job_runs(JobName="events_batch")["JobRuns"]
    assert [run["JobRunState"] for run in runs] == ["TIMEOUT"] * 2  # <- tried again
    folders = f"{{arrived={before},arrived={yesterday},arrived={today}}}"
    assert {json.dumps(run["Arguments"], sort_keys=True) for run in runs} == {
        json.dumps({
            "--end_date": yesterday,
            "--keep_arrived_since": today,
            "--mode": "rebuild",
            "--raw_path": f"s3://{account.bucket('lake')}/raw/events/{folders}",
            "--start_date": yesterday,
        })
    }


def test_a_night_that_succeeds_is_notified(account, notifications):
    assign = {"yesterday": "2024-03-17", "rebuild": "jr_1", "update": "jr_2"}
    ended, _ = execute(account, definition(account, name="nightly", start="NotifySuccess", assign=assign))
    assert ended["status"] == "SUCCEEDED", ended
    said = "The night of 2024-03-17. Glue run of events_batch: jr_1; of sessions_batch: jr_2"
    assert notifications() == [("PipelineSuccess", said)]


@pytest.mark.parametrize("stage", stages())
def test_a_stage_that_simulates_is_alive_by_itself(stage):
    settings = Settings.read(stage)
    simulated = {FORMATS[name].stream for name in schedules.simulated(settings)}
    assert simulated == ({"clicks", "events", "page_views"} if stage == "dev" else set())
    may_put = {*simulated, "clickstream"} if settings.pipeline.simulates else set()
    assert set(settings.functions["simulate"].access.put) == may_put
