"""From a clean account to running jobs and back, against the local AWS; and what its roles may do."""

# ruff: noqa: SLF001  # the functions make their clients once; here each makes one that is watched

import json
import subprocess
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import boto3
import pytest
import roles
from click.testing import CliRunner
from moto.iam.access_control import IAMPolicy, PermissionResult
from trial import event, visit

import replay
from deploy import __main__ as command_line
from deploy import account as accounts
from deploy import ddl, jobs, package, state_machine
from deploy.account import Account
from deploy.settings import FOLDER, Settings
from lambdas import land_raw, simulate, store
from local import aws
from local.aws import event_sources

pytestmark = pytest.mark.proof
WRITES = ("s3:PutObject", "s3:DeleteObject")
NOT_SEEN = {  # jobs, actions and resources of grants that no run here needs, by the reason for them
    ("*", "s3:AbortMultipartUpload", "*"): "a large file whose upload fails",
    ("*", "s3:DeleteObject", "*"): "Iceberg deletes what a commit that fails has written, and its oldest metadata",
    ("*", "s3:GetObject", "*-code-*"): "Glue itself fetches the script and the wheel",
    ("*", "s3:GetObject", "*/run_reports/*"): "a folder to write to is one to read, too",
    ("*_stream", "s3:[GP][eu]tObject", "*/tmp/*"): "a batch writes there only rows that replace others",
    ("*", "kinesis:DescribeStream*", "*"): "Glue's own connection to Kinesis",
    ("*", "kms:*", "*"): "the local buckets and streams are not encrypted",
    ("*", "logs:*", "*"): "Glue itself logs",
    ("*", "cloudwatch:PutMetricData", "*"): "Glue itself measures",
    ("maintain", "glue:UpdateTable", "*"): "these tables are small and young: there is nothing to compact or to expire",
    ("maintain", "s3:[GP][eu]tObject", "*"): "likewise",
    ("replay", "*", "*[/]clickstream[/]*"): "no visit that is replayed has become valid",
    ("replay", "kinesis:PutRecords", "*"): "likewise, no view",
}
CHECKOV = "checkov==3.3.30"


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    """Name the file in which the local AWS records what it is asked."""
    return tmp_path_factory.mktemp("requests") / "requests.jsonl"


@pytest.fixture(scope="module")
def account(terraform, requests):
    """Apply terraform; destroy it in the end, after all that the tests have deployed."""
    with aws.running(record_to=requests) as endpoint, pytest.MonkeyPatch.context() as patch:
        accounts.client.cache_clear()
        for name, value in aws.environment(endpoint).items():
            patch.setenv(name, value)
        terraform("apply", "-auto-approve", "-input=false", "-parallelism=30", "-var=stage=dev", endpoint=endpoint)
        yield Account.of(Settings.read("dev"), endpoint)
        deploy("destroy", "--yes")
        terraform("destroy", "-auto-approve", "-input=false", "-parallelism=30", "-var=stage=dev", endpoint=endpoint)
        assert terraform("state", "list") == ""


def deploy(*arguments):
    done = CliRunner().invoke(command_line.main, arguments)
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done.output


def test_a_second_plan_is_empty(terraform, account):
    terraform("plan", "-detailed-exitcode", "-input=false", "-var=stage=dev", endpoint=account.endpoint_url)


def test_a_second_deployment_changes_nothing(account):
    assert "+ job events_stream" in deploy("apply")
    assert deploy("apply") == "Nothing to change.\n"
    planned = {function["FunctionName"] for function in account.client("lambda").list_functions()["Functions"]}
    assert planned == set(account.settings.functions)


def test_what_deploy_refers_to_is_what_terraform_has_made(account):
    queues = account.client("sqs").list_queues()["QueueUrls"]
    topics = account.client("sns").list_topics()["Topics"]
    groups = account.client("logs").describe_log_groups()["logGroups"]
    roles = account.client("iam").list_roles(MaxItems=1000)["Roles"]
    there = {
        *[account.arn("sqs", url.rpartition("/")[2]) for url in queues],
        *[topic["TopicArn"] for topic in topics],
        *[group["logGroupName"] for group in groups],
        *[role["Arn"] for role in roles],
    }
    desired = json.dumps([resource.desired for resource in command_line.resources(account)])
    words = set(desired.replace("\\", "").replace('"', " ").split())
    for kind in ("arn:aws:sqs:", "arn:aws:sns:", "arn:aws:iam:"):
        named = {word for word in words if word.startswith(kind)}
        assert named, kind
        assert named <= there, named - there
    for machine in state_machine.names():
        assert f"/aws/vendedlogs/states/{machine}" in there


def policy(account, role):
    name = account.role(role).rpartition("/")[2]
    document = account.client("iam").get_role_policy(RoleName=name, PolicyName="access")["PolicyDocument"]
    return IAMPolicy(json.dumps(document))


def may(account, role, action, resource):
    return policy(account, role).is_action_permitted(action, resource) == PermissionResult.PERMITTED


def test_a_job_may_do_what_its_arguments_name_and_nothing_else(account):
    lake = f"arn:aws:s3:::{account.bucket('lake')}"
    settings = account.settings.jobs
    folders = {
        folder for job in settings.values() for folder in [*job.access.read, *job.access.write, jobs.TEMP_FOLDER]
    }
    tables = {table for job in settings.values() for table in job.access.tables}
    for name, job in settings.items():
        written = {*job.access.write, jobs.TEMP_FOLDER}
        read = {*written, *job.access.read}
        for folder in folders:
            assert may(account, f"job-{name}", "s3:GetObject", f"{lake}/{folder}/x") == (folder in read), (name, folder)
            for action in WRITES:
                assert may(account, f"job-{name}", action, f"{lake}/{folder}/x") == (folder in written), (name, folder)
        for table in tables:
            arn = account.arn("glue", f"table/clickstream/{table}")
            assert may(account, f"job-{name}", "glue:GetTable", arn) == (table in job.access.tables)
            is_written = table in job.access.tables and table in job.access.write
            assert may(account, f"job-{name}", "glue:UpdateTable", arn) == is_written
        for stream in account.settings.streams:
            arn = account.arn("kinesis", f"stream/{stream}")
            assert may(account, f"job-{name}", "kinesis:GetRecords", arn) == (stream in job.access.streams)
            assert may(account, f"job-{name}", "kinesis:PutRecords", arn) == (stream in job.access.put)
        assert not may(account, f"job-{name}", "s3:PutObject", f"arn:aws:s3:::{account.bucket('code')}/x")
        assert not may(account, f"job-{name}", "dynamodb:PutItem", account.arn("dynamodb", "table/live_sessions"))


def send(account):
    """Put into the archive and the streams what every job has work with, something to refuse too."""
    now = datetime.now(UTC)
    at, hour = now.isoformat(), f"arrived={now:%Y-%m-%d/%H}"
    click = {"user_id": "ada", "event_name": "a", "event_type": "click", "device_type": "ios", "event_timestamp": at}
    sent = {
        "events": [event(f"{n}", at=int(now.timestamp() * 1000), user_id="ada") for n in range(20)],
        "clickstream": [visit(f"u{n}", at, page_url="/home") for n in range(20)],
        "clicks": [json.dumps(click | {"user_id": f"u{n}"}) for n in range(20)],
        "page_views": [visit(f"u{n}", at, page_url="/home") for n in range(20)],
    }
    for name, valid in sent.items():
        records = [*valid, "not JSON"]
        key = f"raw/{name}/{hour}/a.jsonl"
        account.client("s3").put_object(Bucket=account.bucket("lake"), Key=key, Body="\n".join(records).encode())
        for record in records:
            account.client("kinesis").put_record(StreamName=name, Data=record, PartitionKey="ada")
    key, viewed = "raw/page_views/arrived=2024-03-17/10/a.jsonl", visit("ada", page_url="/home")  # a date that is over
    account.client("s3").put_object(Bucket=account.bucket("lake"), Key=key, Body=viewed.encode())


def test_a_job_makes_the_calls_that_its_role_allows_and_has_no_other_grants(account, requests):
    deploy("apply")
    send(account)
    lake, catalog = f"s3://{account.bucket('lake')}", "glue_catalog.clickstream"
    places = {
        "events_table": f"{catalog}.events",
        "clickstream_path": f"{lake}/clickstream",
        "raw_path": f"{lake}/raw/clicks",
        "page_views_stream": "page_views",
    }
    runs = [
        ("events_batch",), ("events_batch",),
        ("sessions_batch", "--source", "clicks", "--raw_path", f"{lake}/raw/clicks"),
        ("sessions_batch", "--source", "visits", "--raw_path", f"{lake}/raw/clickstream"),
        ("sessions_batch",),
        ("clickstream_batch",), ("events_stream",), ("sessions_stream",), ("page_views_stream",),
        ("page_counts_batch",),
        *[("replay", "--source", source, f"--{name}", places[name]) for source, name in replay.NEEDS.items()],
        ("maintain",),
    ]  # fmt: skip
    assert {run[0] for run in runs} == set(account.settings.jobs)
    for name, *arguments in runs:
        if name == "sessions_batch":  # <- its tables hold the sessions of one source
            for table in ("sessions", "session_events"):
                account.client("glue").delete_table(DatabaseName="clickstream", Name=table)
            deploy("apply")
        deploy("run", name, *arguments, "--wait")
    made = defaultdict(set)
    for line in requests.read_text().splitlines():
        request = json.loads(line)
        made[request["by"]] |= roles.calls(request, account) if "-job-" in request["by"] else set()
    for name in account.settings.jobs:
        document = account.client("iam").get_role_policy(RoleName=f"clickstream-dev-job-{name}", PolicyName="access")
        granted = document["PolicyDocument"]
        calls = made[f"clickstream-dev-job-{name}"]
        assert calls
        assert [call for call in sorted(calls) if not roles.is_allowed(granted, call)] == [], name
        unused = {
            (action, resource) for action, resource in roles.grants(granted)
            if not any(call.action == action and fnmatchcase(call.resource, resource) for call in calls)
            and not any(all(map(fnmatchcase, (name, action, resource), listed)) for listed in NOT_SEEN)
        }  # fmt: skip
        assert unused == set(), name


def test_a_night_rebuilds_yesterday_and_its_sessions(account):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    at = int(yesterday.replace(hour=10).timestamp() * 1000)
    lines = [event(f"night_{n}", "night:a", at=at + n, user_id="bob") for n in range(20)]
    key = f"raw/events/arrived={yesterday:%Y-%m-%d}/10/night.jsonl"
    account.client("s3").put_object(Bucket=account.bucket("lake"), Key=key, Body="\n".join(lines).encode())
    machines = account.client("stepfunctions")
    execution = machines.start_execution(stateMachineArn=account.arn("states", "stateMachine:nightly"))["executionArn"]
    while (status := machines.describe_execution(executionArn=execution)["status"]) == "RUNNING":
        time.sleep(1)
    assert status == "SUCCEEDED"
    query = "select event_count from sessions where user_id = 'bob'"
    command = ("-m", "local", "--lake", f"s3://{account.bucket('lake')}", "sql", "--format", "json", query)
    asked = subprocess.run([sys.executable, *command], cwd=package.ROOT, capture_output=True, text=True, check=True)
    assert json.loads(asked.stdout) == [{"event_count": 20}]


def test_an_optimizer_may_do_its_tables_upkeep_and_nothing_else(account):
    lake, role = f"arn:aws:s3:::{account.bucket('lake')}", "table-optimizer"
    for table in ddl.tables("lake"):
        arn = account.arn("glue", f"table/clickstream/{table.name}")
        assert may(account, role, "glue:UpdateTable", arn) == table.is_iceberg, table.name
        for action in ("s3:GetObject", *WRITES):
            assert may(account, role, action, f"{lake}/{table.name}/x") == table.is_iceberg, table.name
    assert not may(account, role, "s3:DeleteObject", f"{lake}/raw/events/x")


def test_a_function_may_do_what_it_was_seen_to_do_and_nothing_else(account, monkeypatch):
    monkeypatch.setenv("RAW_PATH", f"s3://{account.bucket('lake')}/raw")
    for function in (land_raw._s3, simulate._kinesis, store._dynamodb):
        function.cache_clear()
    calls = {}
    for name, act in acts(account).items():
        seen = calls[name] = set()
        boto3.setup_default_session()
        boto3.DEFAULT_SESSION.events.register("provide-client-params.*.*", watch(account, seen))
        act()
    assert {name: {action for action, _ in seen} for name, seen in calls.items()} == {
        "simulate": {"kinesis:PutRecords"}, "land_raw": {"s3:PutObject"}, "store": {"dynamodb:PutItem"}
    }  # fmt: skip
    everything = set.union(*calls.values())
    for name, seen in calls.items():
        for action, resource in everything:
            assert may(account, f"function-{name}", action, resource) == ((action, resource) in seen), (name, action)


def watch(account, seen):
    """Note every call that is made."""

    def note(params, model, **_):
        seen.add(call(account, model, params))

    return note


def acts(account):
    """Let each function do what it is for."""
    kinesis = account.client("kinesis")

    class Context:
        def get_remaining_time_in_millis(self):
            return 60_000

    def land():
        event_sources.Trigger(event_sources.Shards(kinesis, "clickstream"), land_raw.handler).drain()

    def keep():
        session = {"user_id": "ada", "session_number": 1, "session_id": "ada-1", "session_key": "k", "event_count": 1}
        session |= {"started_at": "2024-03-17T10:15:30.123Z", "ended_at": "2024-03-17T10:15:30.123Z"}
        record = json.dumps({**session, "is_closed": False, "version": 1})
        kinesis.put_record(StreamName="sessions", Data=record, PartitionKey="ada")
        event_sources.Trigger(event_sources.Shards(kinesis, "sessions"), store.handler).drain()

    return {"simulate": lambda: simulate.handler({"seconds": 1, "rate": 5}, Context()), "land_raw": land, "store": keep}


def call(account, model, params):
    """Name a call as a policy does."""
    action = f"{model.service_model.endpoint_prefix}:{model.name}"
    if "Bucket" in params:
        return action, f"arn:aws:s3:::{params['Bucket']}/{params['Key'].rpartition('/')[0]}/x"
    if "TableName" in params:
        return action, account.arn("dynamodb", f"table/{params['TableName']}")
    return action, account.arn("kinesis", f"stream/{params['StreamName']}")


def test_checkov_finds_nothing_but_what_is_listed_with_a_reason():
    done = subprocess.run(
        [package.UV, "tool", "run", "--python", package.ROOT / ".venv/bin/python", "--from", CHECKOV, "checkov",
         "--directory", ".", "--config-file", ".checkov.yaml", "--quiet", "--compact", "--skip-download"],
        cwd=FOLDER / "terraform",
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    listed = (FOLDER / "terraform" / ".checkov.yaml").read_text().split("skip-check:")[1].strip().splitlines()
    assert all(" # " in line for line in listed)
