"""``python -m deploy`` against the local AWS, where everything of terraform's exists."""

import json
import os
import subprocess
import sys
import time
import tomllib
import zipfile
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy import __main__ as command_line
from deploy import account as accounts
from deploy import functions, jobs, optimizers, package, schedules, state_machine, tables
from deploy.account import Account
from deploy.settings import Settings
from lambdas import store
from local import aws
from local.aws import event_sources
from simulator import Options
from simulator.visitors import Visitors

pytestmark = pytest.mark.server
build = package.build  # of which the others here share one result


@pytest.fixture(scope="module")
def prepared():
    """Create what is terraform's."""
    with aws.running() as endpoint, pytest.MonkeyPatch.context() as patch:
        accounts.client.cache_clear()
        for name, value in aws.environment(endpoint).items():
            patch.setenv(name, value)
        patch.setattr(package, "build", cache(package.build))  # the tree does not change meanwhile
        account = Account.of(Settings.read("dev"), endpoint)
        roles = [f"job-{name}" for name in account.settings.jobs]
        roles += [f"function-{name}" for name in account.settings.functions]
        for role in [*roles, "pipeline", "scheduler", "table-optimizer"]:
            account.client("iam").create_role(RoleName=f"clickstream-dev-{role}", AssumeRolePolicyDocument="{}")
        for bucket in account.settings.buckets:
            account.client("s3").create_bucket(Bucket=account.bucket(bucket))
        for stream in account.settings.streams:
            account.client("kinesis").create_stream(StreamName=stream, ShardCount=1)
        account.client("glue").create_database(DatabaseInput={"Name": "clickstream"})
        account.client("scheduler").create_schedule_group(Name="clickstream")
        account.client("athena").create_work_group(
            Name=account.settings.athena.workgroup,
            Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{account.bucket('lake')}/athena/"}},
        )
        yield account


@pytest.fixture
def account(prepared):
    """Start with nothing deployed."""
    for change in map(command_line.plan.change, command_line.leftovers(prepared)):
        if change:
            change.apply()
    return prepared


def deploy(*arguments, status=0):
    done = CliRunner().invoke(command_line.main, arguments)
    assert done.exit_code == status, f"{done.output}\n{done.exception!r}"
    return done.output


def changed(output):
    return {text.split(" ", 1)[1] for text in output.splitlines() if text[:2] in ("+ ", "~ ", "- ")}


def test_plan_shows_every_field_and_changes_nothing(account):
    planned = deploy("plan")
    assert "+ job events_batch\n    Command.Name: glueetl\n" in planned
    assert "    GlueVersion: 6.0\n" in planned
    assert account.client("glue").list_jobs()["JobNames"] == []
    assert deploy("plan") == planned


@pytest.mark.usefixtures("account")
def test_apply_makes_what_plan_has_shown_and_a_second_one_nothing():
    planned = deploy("plan")
    applied = deploy("apply")
    assert changed(applied) == changed(planned)
    assert {title.split(" ")[0] for title in changed(applied)} >= {
        "function", "trigger", "job", "optimizer", "state", "schedule"
    }  # fmt: skip
    assert deploy("plan") == "Nothing to change.\n"
    assert deploy("apply") == "Nothing to change.\n"


def test_what_was_changed_by_hand_is_shown_and_set_right(account):
    deploy("apply")
    glue = account.client("glue")
    job = glue.get_job(JobName="replay")["Job"]
    by_hand = {key: job[key] for key in ("Role", "Command", "GlueVersion", "DefaultArguments")}
    by_hand["DefaultArguments"] = {**by_hand["DefaultArguments"], "--reason": "empty"}
    glue.update_job(JobName="replay", JobUpdate={**by_hand, "NumberOfWorkers": 9, "WorkerType": "G.1X", "Timeout": 5})
    planned = deploy("plan")
    assert "~ job replay\n    DefaultArguments.--reason: empty -> nothing\n" in planned
    assert "    NumberOfWorkers: 9 -> 4\n    Timeout: 5 -> 120\n" in planned
    assert changed(deploy("apply")) == {"job replay"}
    assert deploy("plan") == "Nothing to change.\n"


def test_what_was_done_to_a_function_by_hand_is_shown_and_undone(account):
    deploy("apply")
    client = account.client("lambda")
    client.put_function_concurrency(FunctionName="store", ReservedConcurrentExecutions=0)
    client.update_function_configuration(FunctionName="simulate", Environment={"Variables": {"RATE": "1"}})
    client.untag_resource(Resource=account.arn("lambda", "function:land_raw"), TagKeys=["stage"])
    planned = deploy("plan")
    assert "~ function store\n    ReservedConcurrentExecutions: 0 -> nothing\n" in planned
    assert "~ function simulate\n    Environment.Variables.RATE: 1 -> nothing\n" in planned
    assert "~ function land_raw\n    Tags.stage: dev\n" in planned
    assert changed(deploy("apply")) == {"function store", "function simulate", "function land_raw"}
    assert deploy("plan") == "Nothing to change.\n"


def test_what_was_done_to_a_trigger_by_hand_is_shown_and_undone(account):
    deploy("apply")
    client = account.client("lambda")
    found = client.list_event_source_mappings()["EventSourceMappings"]
    mappings = {mapping["EventSourceArn"].rpartition("/")[2]: mapping for mapping in found}
    disabled, filtered, deleted = (mappings[stream] for stream in ("clickstream", "sessions", "page_counts"))
    client.update_event_source_mapping(UUID=disabled["UUID"], Enabled=False)
    filters = {"Filters": [{"Pattern": '{"data": {"user_id": ["ada"]}}'}]}
    client.update_event_source_mapping(UUID=filtered["UUID"], FilterCriteria=filters, ParallelizationFactor=10)
    client.delete_event_source_mapping(UUID=deleted["UUID"])
    planned = deploy("plan")
    assert "~ trigger clickstream -> land_raw\n    Enabled: False -> True\n" in planned
    assert "~ trigger sessions -> store\n    FilterCriteria.Filters[0].Pattern: {" in planned
    assert "    ParallelizationFactor: 10 -> nothing\n" in planned
    assert "+ trigger page_counts -> store\n" in planned  # <- a Deleting one is as good as gone
    assert len(changed(deploy("apply"))) == 3
    assert deploy("plan") == "Nothing to change.\n"


def test_tags_and_a_disabled_schedule_are_set_right_and_others_tags_are_left(account):
    deploy("apply")
    glue, steps, scheduler = (account.client(name) for name in ("glue", "stepfunctions", "scheduler"))
    job, machine = account.arn("glue", "job/replay"), account.arn("states", "stateMachine:clickstream")
    glue.untag_resource(ResourceArn=job, TagsToRemove=["owner"])
    glue.tag_resource(ResourceArn=job, TagsToAdd={"cost-center": "7"})
    steps.tag_resource(resourceArn=machine, tags=[{"key": "stage", "value": "prod"}])
    schedule = scheduler.get_schedule(Name="events_stream", GroupName="clickstream")
    given = {
        name: schedule[name] for name in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    }
    scheduler.update_schedule(**given, State="DISABLED")
    assert changed(deploy("apply")) == {"job replay", "state machine clickstream", "schedule events_stream"}
    assert deploy("plan") == "Nothing to change.\n"
    assert glue.get_tags(ResourceArn=job)["Tags"] == {**account.tags, "cost-center": "7"}


class KilledError(Exception):
    """The process is gone: nobody catches this."""


@pytest.fixture
def killed(account):
    """Return a function that runs apply up to its n-th call that writes, which AWS carries out."""

    def apply(writes):
        numbers = count(1)

        def stop(model, **_):
            if not model.name.startswith(("Get", "List", "Describe", "Head")) and next(numbers) == writes:
                raise KilledError(model.name)

        accounts.client.cache_clear()
        clients = [account.client(name) for name in ("s3", "athena", "glue", "lambda", "stepfunctions", "scheduler")]
        for client in clients:
            client.meta.events.register("after-call.*.*", stop)
        try:
            return CliRunner().invoke(command_line.main, ["apply"])
        finally:
            accounts.client.cache_clear()

    return apply


@pytest.mark.proof
def test_apply_goes_on_wherever_it_was_killed(account, killed, monkeypatch):
    stops = []
    for settings in (account.settings, larger(account.settings)):  # <- created, then updated
        monkeypatch.setattr(command_line.Settings, "read", lambda _, settings=settings: settings)
        writes = 1
        while isinstance((done := killed(writes)).exception, KilledError):
            stops.append((str(done.exception), done.output.splitlines()[-1:]))
            # What takes two writes, such as a view, is begun again; then it is killed after the second.
            writes = writes + 1 if stops[-1:] == stops[-2:-1] else 1
            assert writes < 5
        assert done.output == "Nothing to change.\n"
        assert deploy("plan") == "Nothing to change.\n"
    assert len(stops) > 2 * (len(account.settings.jobs) + len(account.settings.functions))


def larger(settings):
    """Change every job, function and trigger."""
    jobs = {name: job.model_copy(update={"workers": job.workers + 1}) for name, job in settings.jobs.items()}
    functions = {
        name: function.model_copy(update={"memory_mb": function.memory_mb + 64, "batch_size": 99})
        for name, function in settings.functions.items()
    }
    pipeline = settings.pipeline.model_copy(update={"wait_minutes": 7})
    return settings.model_copy(update={"jobs": jobs, "functions": functions, "pipeline": pipeline})


@pytest.mark.usefixtures("account")
def test_apply_goes_on_after_a_kill():
    command = [sys.executable, "-m", "deploy", "--verbose", "apply"]
    with subprocess.Popen(command, cwd=package.ROOT, stdout=subprocess.PIPE, text=True) as process:
        for text in process.stdout:
            if text.startswith("+ job"):
                process.kill()
                break
    assert process.returncode == -9
    assert "+ schedule clickstream\n" in deploy("apply")
    assert deploy("plan") == "Nothing to change.\n"


def test_a_failure_in_the_middle_is_completed_by_the_next_apply(account, monkeypatch):
    create = jobs.GlueJob.create

    def fail_at_replay(job):
        if job.name == "replay":
            raise account.client("glue").exceptions.OperationTimeoutException(
                {"Error": {"Code": "OperationTimeoutException", "Message": "too late"}}, "CreateJob"
            )
        create(job)

    monkeypatch.setattr(jobs.GlueJob, "create", fail_at_replay)
    failed = deploy("apply", status=1)
    assert failed.splitlines()[-2:][0] == "+ job replay"
    assert "Error: AWS: An error occurred (OperationTimeoutException)" in failed
    monkeypatch.undo()
    assert changed(deploy("apply")) == {
        "job replay", "job sessions_batch", "job sessions_stream",
        *[f"state machine {name}" for name in state_machine.names()],
        *[schedule.title for schedule in schedules.resources(account)],
    }  # fmt: skip


def without(account, monkeypatch, *names):
    """Let the settings be those of a commit that does not have these jobs and functions yet."""
    fewer = {
        "jobs": {name: job for name, job in account.settings.jobs.items() if name not in names},
        "functions": {name: function for name, function in account.settings.functions.items() if name not in names},
    }
    settings = account.settings.model_copy(update=fewer)
    monkeypatch.setattr(command_line.Settings, "read", lambda _: settings)


def test_a_rollback_deletes_what_the_older_commit_does_not_have(account, monkeypatch):
    deploy("apply")
    without(account, monkeypatch, "events_stream", "store")
    assert changed(deploy("apply")) == {
        "function store", "trigger sessions -> store", "trigger page_counts -> store", "job events_stream",
        "schedule events_stream",
    }  # fmt: skip
    assert deploy("plan") == "Nothing to change.\n"
    monkeypatch.undo()
    assert len(changed(deploy("apply"))) == 5


def test_jobs_of_others_are_left_alone(account):
    account.client("glue").create_job(Name="theirs", Role="role", Command={"Name": "glueetl"})
    deploy("apply")
    deploy("destroy", "--yes")
    assert account.client("glue").list_jobs()["JobNames"] == ["theirs"]
    account.client("glue").delete_job(JobName="theirs")


def test_destroy_asks_first_and_keeps_tables_and_files(account):
    deploy("apply")
    assert "Aborted!" in CliRunner().invoke(command_line.main, ["destroy"], input="n\n").output
    assert account.client("glue").list_jobs()["JobNames"]
    assert "optimizer events retention" in changed(deploy("destroy", "--yes"))
    assert account.client("glue").list_jobs()["JobNames"] == []
    assert account.client("lambda").list_functions()["Functions"] == []
    mappings = account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["State"] for mapping in mappings} <= {"Deleting"}
    assert account.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert account.client("scheduler").list_schedules()["Schedules"] == []
    assert deploy("destroy", "--yes") == "Nothing to delete.\n"
    assert not {"file wheel", "table events"} & changed(deploy("plan"))


def test_another_stages_account_is_left_alone(account):
    deploy("apply")
    prod = Settings.read("prod")
    for role in [*[f"job-{name}" for name in prod.jobs], *[f"function-{name}" for name in prod.functions], "pipeline",
                 "scheduler", "table-optimizer"]:  # fmt: skip
        account.client("iam").create_role(RoleName=f"clickstream-prod-{role}", AssumeRolePolicyDocument="{}")
    for command in (["destroy", "--yes"], ["apply"], ["plan"]):
        said = deploy("--stage", "prod", *command, status=1)
        assert "Error: 123456789012 in us-east-1 is not the account of prod: the function " in said
        assert "there has the tag stage=dev" in said
    assert deploy("plan") == "Nothing to change.\n"


def test_an_endpoint_that_is_none_is_a_sentence():
    said = deploy("--endpoint-url", "nonsense", "plan", status=2)
    assert "Invalid value for '--endpoint-url': nonsense is not a URL like http://127.0.0.1:5000" in said


def test_files_are_named_by_their_content(tmp_path):
    built, again = build(), build()
    assert [artifact.key for artifact in built.artifacts] == [artifact.key for artifact in again.artifacts]
    with zipfile.ZipFile(BytesIO(built.wheel.content)) as wheel:
        assert "clickstream/transforms/events.py" in wheel.namelist()
    with zipfile.ZipFile(BytesIO(built.functions.content)) as archive:
        assert {"lambdas/store.py", "clickstream/schemas.py"} <= set(archive.namelist())
    with zipfile.ZipFile(BytesIO(built.simulate.content)) as archive:
        assert {"lambdas/simulate.py", "simulator/visits.py", "faker/__init__.py"} <= set(archive.namelist())
    (tmp_path / "glue_jobs").mkdir()
    script = tmp_path / "glue_jobs" / "replay.py"
    script.write_text("one")
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).write_text((package.ROOT / name).read_text())
    (tmp_path / "libs").symlink_to(package.ROOT / "libs")
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).write_text("")
    first = build(tmp_path).scripts["replay"].key
    script.write_text("two")
    assert build(tmp_path).scripts["replay"].key != first


def on_lambda(content, folder, code, **variables):
    """Run code where there is nothing but Python, what Lambda brings, and a zip; return what it prints."""
    (folder / "runtime").mkdir()
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"):
        origin = Path(find_spec(name).origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (folder / "runtime" / found.name).symlink_to(found)
    zipfile.ZipFile(BytesIO(content)).extractall(folder / "task")
    path = f"import sys; sys.path += [{str(folder / 'task')!r}, {str(folder / 'runtime')!r}]\n"
    command = [sys.executable, "-I", "-S", "-c", path + code]
    ran = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_functions_zip_is_small_and_holds_all_that_its_handler_imports(account, tmp_path):
    built = build()
    assert len(built.functions.content) < 2**18
    assert len(built.simulate.content) < 5 * 2**20
    for name, function in account.settings.functions.items():
        module, _, handler = function.handler.rpartition(".")
        code = f"import importlib; print(callable(getattr(importlib.import_module({module!r}), {handler!r})))"
        (tmp_path / name).mkdir()
        assert on_lambda(built.of_function(name).content, tmp_path / name, code) == "True\n"


def test_the_zip_of_simulate_holds_faker_as_locked_and_its_handler_runs(account, tmp_path):
    (locked,) = [
        one for one in tomllib.loads((package.ROOT / "uv.lock").read_text())["package"] if one["name"] == "faker"
    ]
    code = """
from faker import VERSION
from lambdas import simulate
class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
sent = simulate.handler({"seconds": 1, "rate": 20, "users": 5, "bots": 0, "malformed": 0}, Context())
print(VERSION, sent["lines"])
"""
    kinesis = account.client("kinesis")
    said = on_lambda(build().simulate.content, tmp_path, code, **aws.environment(kinesis.meta.endpoint_url))
    rows = [
        record["Data"].decode()
        for _, some in event_sources.Shards(kinesis, "clickstream").unread(500)
        for record in some
    ]
    assert said.splitlines()[-1] == f"{locked['version']} {len(rows)}"
    assert len(rows) >= 20
    visitors = Visitors(Options.seed)
    assert all(row.endswith(visitors.about(int(json.loads(row)["user_id"].removeprefix("u")))) for row in rows)


def test_a_new_script_is_a_new_file_and_a_new_definition(account, monkeypatch):
    deploy("apply")
    built_before = package.build

    def with_other_script():
        built = built_before()
        script = package.Artifact("script replay", "0123456789abcdef/replay.py", b"other")
        return replace(built, scripts={**built.scripts, "replay": script})

    monkeypatch.setattr(package, "build", with_other_script)
    assert changed(deploy("plan")) == {"file script replay", "job replay"}
    deploy("apply")
    location = account.client("glue").get_job(JobName="replay")["Job"]["Command"]["ScriptLocation"]
    assert location == "s3://clickstream-dev-code-123456789012/0123456789abcdef/replay.py"
    assert account.client("s3").get_object(Bucket=account.bucket("code"), Key="0123456789abcdef/replay.py")
    monkeypatch.undo()
    assert changed(deploy("apply")) == {"job replay"}  # rolled back: its file is still there


def test_a_plain_table_is_declared_anew_and_an_iceberg_table_gets_new_columns(account):
    deploy("apply")
    for table in tables.resources(account):
        if table.title in {"table clickstream", "table events"}:
            tables.execute(account, f"DROP TABLE {table.table.name}")
            tables.execute(account, "".join(line for line in table.sql.splitlines(True) if "    user_id " not in line))
    assert "~ table clickstream\n    Columns.user_id: string 'Who visited'\n" in deploy("plan")
    lost = {f"optimizer events {kind}" for kind in optimizers.KINDS}  # with the table
    assert changed(deploy("apply")) == {"table clickstream", "table events", *lost}
    assert deploy("plan") == "Nothing to change.\n"
    location = account.client("glue").get_table(DatabaseName="clickstream", Name="events")["Table"]["Parameters"]
    bucket, _, key = location["metadata_location"].removeprefix("s3://").partition("/")
    metadata = json.loads(account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert [field["name"] for field in metadata["schemas"][metadata["current-schema-id"]]["fields"]][-1] == "user_id"


def in_catalog(account, name, **storage):
    """Change a table's storage descriptor by hand; return its parameters."""
    glue = account.client("glue")
    table = glue.get_table(DatabaseName="clickstream", Name=name)["Table"]
    given = {key: table[key] for key in ("Name", "TableType", "PartitionKeys", "Parameters")}
    storage = {**table["StorageDescriptor"], **storage}
    glue.update_table(DatabaseName="clickstream", TableInput={**given, "StorageDescriptor": storage})
    return table["StorageDescriptor"]["Columns"]


def test_properties_of_a_plain_table_are_deployed(account):
    deploy("apply")
    glue = account.client("glue")
    table = glue.get_table(DatabaseName="clickstream", Name="clickstream")["Table"]
    given = {key: table[key] for key in ("Name", "TableType", "PartitionKeys", "StorageDescriptor")}
    former = {"projection.event_date.range": "2000-01-01,NOW", "projection.event_date.interval": "7", "theirs": "1"}
    glue.update_table(DatabaseName="clickstream", TableInput={**given, "Parameters": {**table["Parameters"], **former}})
    planned = deploy("plan")
    assert "    Parameters.projection.event_date.interval: 7 -> nothing\n" in planned
    assert "    Parameters.projection.event_date.range: 2000-01-01,NOW -> 2024-01-01,NOW+1DAYS\n" in planned
    assert "theirs" not in planned
    assert changed(deploy("apply")) == {"table clickstream"}
    assert deploy("plan") == "Nothing to change.\n"


def test_a_reworded_comment_of_an_iceberg_table_is_deployed(account):
    deploy("apply")
    columns = in_catalog(account, "events")
    reworded = [{**column, "Comment": "formerly"} if column["Name"] == "payload" else column for column in columns]
    in_catalog(account, "events", Columns=reworded)
    assert "~ table events\n    Columns.payload: string 'formerly' -> string '" in deploy("plan")
    assert changed(deploy("apply")) == {"table events"}
    assert deploy("plan") == "Nothing to change.\n"
    assert in_catalog(account, "events") == columns


def test_a_column_that_the_code_does_not_know_is_left(account):
    deploy("apply")
    columns = in_catalog(account, "events")
    in_catalog(account, "events", Columns=[*columns, {"Name": "from_a_later_commit", "Type": "string", "Comment": "x"}])
    assert deploy("plan") == "Nothing to change.\n"
    in_catalog(account, "events", Columns=columns)


def test_a_view_is_replaced_when_its_text_changes(account):
    deploy("apply")
    views = [table for table in tables.resources(account) if isinstance(table, tables.AthenaView)]
    (funnel,) = [view for view in views if view.name == "funnel"]
    replace(funnel, sql=f"-- another text\n{funnel.sql}").create()
    assert "~ view funnel\n    sha256: " in deploy("plan")
    assert changed(deploy("apply")) == {"view funnel"}
    assert deploy("plan") == "Nothing to change.\n"


def test_a_column_of_an_iceberg_table_that_changes_needs_a_hand(account):
    deploy("apply")
    glue = account.client("glue")
    table = glue.get_table(DatabaseName="clickstream", Name="events")["Table"]
    given = {key: table[key] for key in ("Name", "PartitionKeys", "Parameters")}
    storage = table["StorageDescriptor"]
    wrong = [{**column, "Type": "int"} if column["Name"] == "created_at" else column for column in storage["Columns"]]
    glue.update_table(
        DatabaseName="clickstream", TableInput={**given, "StorageDescriptor": {**storage, "Columns": wrong}}
    )
    assert "Error: table events: Columns.created_at: int '" in deploy("apply", status=1)
    glue.update_table(DatabaseName="clickstream", TableInput={**given, "StorageDescriptor": storage})


def test_run_takes_arguments_of_the_job_and_no_others(account):
    deploy("apply")
    said = deploy("run", "replay", "--source", "events", "--reason", "empty")
    run = jobs.run(account, "replay", said.split()[-1])
    assert run["Arguments"] == {"--source": "events", "--reason": "empty"}
    assert "Error: --sorce: the job takes --quarantine_table, --source" in deploy(
        "run", "replay", "--sorce", "events", status=1
    )
    assert "Error: --source: the job takes" in deploy("run", "replay", "--source", status=1)
    assert "Error: there is no job rplay; there are clickstream_batch" in deploy("run", "rplay", status=1)


@pytest.mark.usefixtures("account")
def test_run_waits_for_the_end_and_status_shows_it():
    assert "job replay                     -" in deploy("status")
    deploy("apply")
    said = "replay: --source missing; this job needs --quarantine_table, --source"
    assert deploy("run", "--wait", "replay", status=1).endswith(f"FAILED {said}\n")
    status = deploy("status")
    assert "job replay                     FAILED       20" in status
    assert f"    {said}\n" in status
    assert "state machine nightly          -" in status
    assert "function store                 deployed" in status


def test_logs_of_a_run_and_of_a_function(account):
    deploy("apply")
    assert "Error: replay has not run yet" in deploy("logs", "replay", status=1)
    run = deploy("run", "replay").split()[-1]
    assert deploy("logs", "replay") == ""
    logs = account.client("logs")
    for group, stream in [("/aws-glue/jobs/output", run), ("/aws/lambda/store", "2024/03/17/[$LATEST]1")]:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        written = [{"timestamp": int(time.time() * 1000), "message": f"in {group}"}]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=written)
    assert deploy("logs", "replay") == "in /aws-glue/jobs/output\n"
    assert deploy("logs", "replay", "--run", run) == "in /aws-glue/jobs/output\n"
    assert deploy("logs", "store") == "in /aws/lambda/store\n"


def test_a_missing_resource_of_terraforms_is_named(account):
    iam = account.client("iam")
    iam.delete_role(RoleName="clickstream-dev-job-replay")
    assert "Error: the role clickstream-dev-job-replay does not exist: run `make infrastructure STAGE=dev`" in deploy(
        "plan", status=1
    )
    iam.create_role(RoleName="clickstream-dev-job-replay", AssumeRolePolicyDocument="{}")


@pytest.mark.usefixtures("account")
def test_no_credentials_are_a_sentence_and_verbose_shows_the_traceback(monkeypatch, caplog):
    accounts.client.cache_clear()
    for name in list(os.environ):
        if name.startswith("AWS_") and "URL" not in name:
            monkeypatch.delenv(name)
    assert "Error: AWS: Unable to locate credentials" in deploy("plan", status=1)
    assert caplog.records == []
    assert "Error: AWS: Unable to locate credentials" in deploy("--verbose", "plan", status=1)
    (record,) = caplog.records
    assert "NoCredentialsError" in str(record.exc_info)
    accounts.client.cache_clear()


def test_live_items_expire_as_the_settings_say(account):
    environment = functions.configuration("store", account.settings.functions["store"], account)["Environment"]
    assert environment == {"Variables": {"SESSIONS_TTL_DAYS": "7", "PAGE_COUNTS_TTL_DAYS": "2"}}
    assert set(environment["Variables"]) == {table.ttl_variable for table in store.TABLES.values()}


def test_a_jobs_definition_is_whole(account):
    built = package.build()
    for name, job in account.settings.jobs.items():
        definition = jobs.definition(name, job, account, built)
        assert definition["GlueVersion"] == "6.0"
        arguments = definition["DefaultArguments"]
        assert arguments["--datalake-formats"] == "iceberg"
        assert arguments["--conf"].startswith("spark.hadoop.fs.s3a.endpoint.region=us-east-1 --conf ")
        assert "--conf spark.sql.catalog.glue_catalog.warehouse=s3://clickstream-dev-lake-" in arguments["--conf"]
        assert arguments["--TempDir"] == "s3://clickstream-dev-lake-123456789012/tmp"
        assert arguments["--quarantine_table"] == "glue_catalog.clickstream.quarantine"
        assert arguments["--extra-py-files"].endswith(f"/{built.wheel.key}")
        assert "${" not in json.dumps(definition)
    stream = jobs.definition("events_stream", account.settings.jobs["events_stream"], account, built)
    assert (stream["Command"]["Name"], stream["MaintenanceWindow"]) == ("gluestreaming", "Sun:03")
    assert stream["DefaultArguments"]["--batch_interval_seconds"] == "900"  # rate(15 minutes)
