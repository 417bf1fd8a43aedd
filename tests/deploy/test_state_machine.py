"""Every path through the state machine, on the local AWS, where functions and runs of jobs are processes."""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, count

import pytest
from statelint.linter import Linter

from deploy import functions, jobs, package, state_machine, tables
from deploy.account import Account
from deploy.settings import Settings
from lambdas import land_raw
from local import aws
from local.aws import event_sources

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


def definition(account, start=None, assign=None, **changed):
    """Return the definition without its pauses; from a later state on; with other arguments of some states."""
    machine = json.loads(state_machine.definition(account))
    for name, arguments in changed.items():
        machine["States"][name]["Arguments"] |= arguments
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


def test_it_is_valid(account):
    assert Linter.validate(state_machine.definition(account)) == []


def test_every_task_is_retried_and_its_failure_notified():
    states = json.loads(state_machine.DEFINITION.read_text())["States"]
    for name, state in states.items():
        if state["Type"] == "Task":
            assert all(retry["BackoffRate"] > 1 and retry["MaxAttempts"] >= 4 for retry in state["Retry"]), name
            (caught,) = state["Catch"]
            assert caught["ErrorEquals"] == ["States.ALL"], name
            assert caught["Next"] == ("Failed" if name == "NotifyFailure" else "NotifyFailure"), name
            assert name == "NotifyFailure" or caught["Assign"]["failed"] == name


def test_visits_become_rows_and_partitions(account, archiving, notifications):
    archiving.set()
    ended, states = execute(account, definition(account), seconds=2, rate=20)
    assert ended["status"] == "SUCCEEDED", ended
    assert [state for state in states if state not in {"WaitForArrival", "ListArrived", "HasArrived"}] == [
        "Simulate", "RunJob", "ListPartitions", "DescribeTable", "RegisterPartitions", "AreRegistered", "NotifySuccess"
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
    assert states == ["Simulate", "NotifyFailure", "Failed"]
    failure = "Simulate failed: nonsense is not known to the simulator. (ValueError)"
    assert notifications() == [("PipelineFailure", failure)]


def test_nothing_archived_is_notified_in_the_end(account, archiving, notifications):
    archiving.clear()
    impatient = account.settings.pipeline.model_copy(update={"wait_minutes": 1})
    waiting = replace(account, settings=account.settings.model_copy(update={"pipeline": impatient}))
    time.sleep(1.1)  # what was archived before is older than this run
    ended, states = execute(account, definition(waiting), seconds=1, rate=1)
    assert ended["status"] == "FAILED"
    assert states == ["Simulate", *["WaitForArrival", "ListArrived", "HasArrived"] * 4, "NotifyFailure", "Failed"]
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
