"""Settings: they name all that is in the tree and nothing else, and each mistake is one sentence."""

import ast
import dataclasses
import importlib
import re
from datetime import date

import pytest
import yaml

from clickstream.runtime.arguments import parse_arguments
from deploy import ddl, job_arguments, settings
from deploy.errors import SettingsError
from deploy.settings import Settings
from lambdas import land_raw, simulate, store

ROOT = settings.FOLDER.parent
NAMES = {"lake": "lake", "code": "code", "region": "us-east-1", "account": "123456789012"}
RUNS = {  # what a run has to be given besides
    "replay": [
        {"source": "events", "events_table": "glue_catalog.clickstream.events"},
        {"source": "clickstream", "clickstream_path": "s3://${lake}/clickstream"},
        {"source": "live_sessions", "raw_path": "s3://${lake}/raw/clicks"},
        {"source": "page_views", "page_views_stream": "page_views"},
    ],
    "sessions_batch": [
        {},
        {"source": "clicks", "raw_path": "s3://${lake}/raw/clicks"},
        {"source": "visits", "raw_path": "s3://${lake}/raw/clickstream"},
    ],
}


@pytest.fixture(params=settings.stages())
def stage(request):
    return Settings.read(request.param)


def handlers():
    """List every function in lambdas/ that Lambda could call: its arguments are event and context."""
    return {
        f"lambdas.{path.stem}.{node.name}"
        for path in (ROOT / "lambdas").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and [argument.arg for argument in node.args.args] == ["event", "context"]
    }


def runs(name, job):
    """List the arguments that a job can be started with."""
    given = {key: text for key, text in job.arguments.items() if text is not None}
    return [given | run for run in RUNS.get(name, [{}])]


def test_every_stage_of_the_runbook_exists():
    assert {"dev", "staging", "prod"} <= set(settings.stages())


def test_every_script_is_a_job_and_every_job_a_script(stage):
    assert set(stage.jobs) == {path.stem for path in (ROOT / "glue_jobs").glob("*.py")}


def test_every_handler_is_a_function_and_every_function_a_handler(stage):
    assert {function.handler for function in stage.functions.values()} == handlers()


@pytest.mark.parametrize("name", job_arguments.names())
def test_arguments_are_read_from_source_as_python_has_them(name):
    fields = dataclasses.fields(importlib.import_module(name).Arguments)
    values = {field.name: None if field.default is dataclasses.MISSING else field.default for field in fields}
    expected = {key: None if value in {None, ""} else str(value).removesuffix(".0") for key, value in values.items()}
    assert job_arguments.defaults(name) == expected


def test_a_job_starts_with_the_arguments_of_its_settings(stage):
    for name, job in stage.jobs.items():
        for run in runs(name, job):
            words = [word for key in run for word in (f"--{key}", settings.render(run[key], NAMES))]
            parse_arguments(importlib.import_module(name).Arguments, [name, *words])


def test_settings_name_only_what_differs_from_the_jobs_own_defaults():
    written = yaml.safe_load((settings.FOLDER / "settings.yaml").read_text())["jobs"]
    for name, job in written.items():
        defaults = job_arguments.defaults(name)
        assert [key for key, text in job["arguments"].items() if text == defaults[key]] == [], name
        fields = settings.Job.model_fields
        assert [key for key, value in job.items() if value == fields[key].default] == [], name


def test_a_jobs_access_is_what_its_arguments_name(stage):
    for name, job in stage.jobs.items():
        values = [value for run in runs(name, job) for value in run.values()]
        paths = {value.removeprefix("s3://${lake}/") for value in values if value.startswith("s3://${lake}/")}
        tables = {value.removeprefix("glue_catalog.clickstream.") for value in values if value.startswith("glue_")}
        streams = {value.rpartition("/")[2] for value in values if value.startswith("arn:aws:kinesis:")}
        assert {*job.access.read, *job.access.write} == paths | tables, name
        assert set(job.access.tables) == tables, name
        assert set(job.access.streams) == streams, name
        sent_to = {text for run in runs(name, job) for key, text in run.items() if key.endswith("_stream")}
        assert set(job.access.put) == sent_to, name


def test_every_job_quarantines_and_a_batch_job_reports(stage):
    for name, job in stage.jobs.items():
        assert "quarantine" in job.access.write, name
        assert "quarantine" in job.access.tables, name
        assert ("run_reports" in job.access.write) == (job.kind == "batch"), name


def test_every_table_is_written_by_a_job(stage):
    written = {folder for job in stage.jobs.values() for folder in job.access.write}
    assert {table.location.removeprefix("lake/").strip("/") for table in ddl.tables("lake")} <= written


def test_page_counts_are_made_again_as_the_stream_makes_them(stage):
    stream, again = (stage.jobs[name].arguments for name in ("page_views_stream", "page_counts_batch"))
    for name in ("window_seconds", "allowed_lateness_minutes"):
        assert again.get(name) == stream.get(name)


def test_a_function_outlasts_its_longest_call_by_far(stage):
    for name, function in (("land_raw", land_raw), ("simulate", simulate), ("store", store)):
        assert 2 * function.PUT.longest_seconds <= stage.functions[name].timeout_seconds, name


def test_a_live_table_has_the_key_of_the_function_that_fills_it(stage):
    for table in store.TABLES.values():
        assert tuple(part["name"] for part in stage.dynamodb[table.name].key) == table.key


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "settings.yaml").write_text((settings.FOLDER / "settings.yaml").read_text())
    return tmp_path


def write(folder, **sections):
    (folder / "stages" / "own.yaml").write_text(yaml.safe_dump(sections))


def test_a_stages_own_fields_replace_those_of_every_stage(folder):
    write(
        folder,
        account={"monthly_budget_usd": 7},
        jobs={"replay": {"workers": 7, "arguments": {"reason": "empty", "run_reports_path": None}}},
    )
    own, usual = Settings.read("own", folder), Settings.read("dev")
    job, usual_job = own.jobs["replay"], usual.jobs["replay"]
    arguments = {**usual_job.arguments, "reason": "empty", "run_reports_path": None}
    assert job == usual_job.model_copy(update={"workers": 7, "arguments": arguments})
    assert (own.account.monthly_budget_usd, own.account.region) == (7, usual.account.region)
    assert own.alarms == usual.alarms


SENTENCES = [
    # unknown names
    ({"job": {"replay": {"workers": 7}}}, "there is no job; there are account"),
    ({"jobs": {"rplay": {"workers": 7}}}, "there is no jobs.rplay; there are clickstream_batch"),
    ({"jobs": {"replay": {"worker": 7}}}, "there is no setting jobs.replay.worker"),
    ({"jobs": {"replay": {"access": {"raed": ["raw"]}}}}, "there is no setting jobs.replay.access.raed"),
    ({"jobs": {"replay": {"arguments": {"resaon": "empty"}}}}, "jobs.replay.arguments: there is no resaon; there are"),
    ({"alarms": {"lag_minuts": 5}}, "there is no setting alarms.lag_minuts"),
    ({"account": {"place": {"region": "eu-west-1"}}}, "there is no setting account.place"),
    ({"dynamodb": {"live_sessions": {"key": [{"name": "id", "type": "S", "x": 1}]}}},
     "there is no setting dynamodb.live_sessions.key.0.x"),
    # names that stand for nothing
    ({"jobs": {"replay": {"access": {"tables": ["evnts"]}}}}, "jobs.replay.access.tables: there is no evnts; there"),
    ({"jobs": {"replay": {"access": {"streams": ["evnts"]}}}}, "jobs.replay.access.streams: there is no evnts"),
    ({"functions": {"store": {"streams": ["evnts"]}}}, "functions.store.streams: there is no evnts; there are clicks"),
    ({"functions": {"store": {"access": {"set": ["live"]}}}}, "functions.store.access.set: there is no live; there"),
    ({"exports": {"page_views": {"function": "nothing"}}}, "exports.page_views.function: there is no nothing; there"),
    ({"archives": {"events": {"by": "hand"}}}, "archives.events.by must be 'function' or 'firehose', not 'hand'"),
    # wrong types
    ({"jobs": {"replay": {"workers": "7"}}}, "jobs.replay.workers must be a valid integer, not '7'"),
    ({"jobs": {"replay": {"workers": True}}}, "jobs.replay.workers must be a valid integer, not True"),
    ({"jobs": {"replay": {"flex": "no"}}}, "jobs.replay.flex must be a valid boolean, not 'no'"),
    ({"jobs": {"replay": {"arguments": {"reason": 7}}}},
     "jobs.replay.arguments.reason must be a valid string, not 7; quote it"),
    ({"jobs": {"replay": {"arguments": "--reason x"}}}, "jobs.replay.arguments must be a map of settings, not '--re"),
    ({"jobs": {"replay": 7}}, "jobs.replay must be a map of settings, not 7"),
    ({"jobs": ["replay"]}, "jobs must be a map of settings, not ['replay']"),
    ({"jobs": {"replay": {"access": {"write": "events"}}}}, "jobs.replay.access.write must be a valid list, not '"),
    ({"jobs": {"replay": {"kind": "ray"}}}, "jobs.replay.kind must be 'batch' or 'streaming', not 'ray'"),
    ({"jobs": {"replay": {"kind": None}}}, "jobs.replay.kind must be 'batch' or 'streaming', not None"),
    ({"jobs": {"replay": {"worker_type": "R.1X"}}}, "jobs.replay.worker_type must be 'G.025X', 'G.1X',"),
    # out of bounds
    ({"jobs": {"replay": {"workers": -3}}}, "jobs.replay.workers must be greater than or equal to 2, not -3"),
    ({"jobs": {"replay": {"workers": 3000}}}, "jobs.replay.workers must be less than or equal to 299, not 3000"),
    ({"jobs": {"replay": {"timeout_minutes": 0}}}, "jobs.replay.timeout_minutes must be greater than or equal to 1"),
    ({"jobs": {"replay": {"retries": 11}}}, "jobs.replay.retries must be less than or equal to 10, not 11"),
    ({"jobs": {"replay": {"concurrency": 0}}}, "jobs.replay.concurrency must be greater than or equal to 1, not 0"),
    ({"account": {"events_per_hour": 0}}, "account.events_per_hour must be greater than or equal to 1, not 0"),
    ({"account": {"monthly_budget_usd": -1}}, "account.monthly_budget_usd must be greater than or equal to 1, not -1"),
    ({"streams": {"events": {"shards": -1}}}, "streams.events.shards must be greater than or equal to 0, not -1"),
    ({"streams": {"events": {"retention_hours": 1}}}, "streams.events.retention_hours must be greater than or equal"),
    ({"streams": {"events": {"silent_minutes": 1441}}}, "streams.events.silent_minutes must be less than or equal to"),
    ({"buckets": {"lake": {"infrequent_days": 7}}}, "buckets.lake.infrequent_days must be 0, for never, or at least"),
    ({"dynamodb": {"live_sessions": {"ttl_days": 0}}}, "dynamodb.live_sessions.ttl_days must be greater than or equal"),
    ({"dynamodb": {"live_sessions": {"key": []}}}, "dynamodb.live_sessions.key must have at least 1 item"),
    ({"exports": {"page_views": {"buffer_seconds": 5}}}, "exports.page_views.buffer_seconds must be greater than or"),
    ({"athena": {"go_live": "soon"}}, "athena.go_live must be a valid date"),
    ({"athena": {"go_live": date(1999, 12, 31)}}, "athena.go_live must be greater than or equal to 2000-01-01"),
    ({"athena": {"scan_limit_gb": 0}}, "athena.scan_limit_gb must be greater than or equal to 1, not 0"),
    ({"table_optimizers": {"run_rate_hours": 1}}, "table_optimizers.run_rate_hours must be greater than or equal to 3"),
    ({"table_optimizers": {"orphan_retention_days": 0}}, "table_optimizers.orphan_retention_days must be greater than"),
    ({"functions": {"store": {"memory_mb": 64}}}, "functions.store.memory_mb must be greater than or equal to 128"),
    ({"functions": {"store": {"timeout_seconds": 901}}}, "functions.store.timeout_seconds must be less than or equal"),
    ({"functions": {"store": {"batch_size": 10_001}}}, "functions.store.batch_size must be less than or equal to 1"),
    ({"functions": {"store": {"batch_seconds": 301}}}, "functions.store.batch_seconds must be less than or equal to 3"),
    ({"pipeline": {"wait_minutes": 0}}, "pipeline.wait_minutes must be greater than or equal to 1, not 0"),
    ({"alarms": {"quarantined_percent": 101}}, "alarms.quarantined_percent must be less than or equal to 100, not 101"),
    ({"alarms": {"heap_percent": 0}}, "alarms.heap_percent must be greater than or equal to 1, not 0"),
    ({"alarms": {"batch_utilization_percent": 0}}, "alarms.batch_utilization_percent must be greater than or equal to"),
    ({"alarms": {"end_to_end_latency_minutes": 0}}, "alarms.end_to_end_latency_minutes must be greater than or equal"),
    # texts of another form
    ({"account": {"region": "Ireland"}}, "account.region must be a region like us-east-1, not 'Ireland'"),
    ({"account": {"alarms_to": ["me"]}}, "account.alarms_to.0 must be an e-mail address, not 'me'"),
    ({"functions": {"store": {"handler": "store"}}}, "functions.store.handler must be like lambdas.store.han"),
    ({"jobs": {"replay": {"access": {"write": ["*"]}}}}, "jobs.replay.access.write.0 must be a folder of the lake"),
    ({"jobs": {"replay": {"access": {"write": ["events/"]}}}}, "jobs.replay.access.write.0 must be a folder of"),
    ({"jobs": {"replay": {"schedule": "daily"}}}, "jobs.replay.schedule must be like rate(15 minutes) or cron("),
    ({"pipeline": {"schedule": "30 0 * * *"}}, "pipeline.schedule must be like rate(15 minutes) or cron("),
    ({"jobs": {"events_stream": {"maintenance_window": "Sun:24"}}}, "jobs.events_stream.maintenance_window must be"),
    # fields that do not go together
    ({"jobs": {"replay": {"worker_type": "G.4X"}}}, "jobs.replay: flex is for batch on G.1X and G.2X"),
    ({"jobs": {"events_stream": {"flex": True}}}, "jobs.events_stream: flex is for batch on G.1X and G.2X"),
    ({"jobs": {"replay": {"flex": False, "worker_type": "G.025X"}}}, "jobs.replay: G.025X is for streaming"),
    ({"jobs": {"replay": {"maintenance_window": "Sun:03"}}}, "jobs.replay: maintenance_window is for streaming"),
    ({"jobs": {"replay": {"timeout_minutes": None}}}, "jobs.replay: timeout_minutes is missing: Glue's default is"),
    ({"jobs": {"events_stream": {"arguments": {"trigger": "continuous"}}}},
     "jobs.events_stream: schedule and timeout_minutes must be null where trigger is continuous"),
    ({"jobs": {"events_stream": {"arguments": {"trigger": "continuous"}, "schedule": None, "timeout_minutes": None,
                                 "maintenance_window": None}}},
     "jobs.events_stream: maintenance_window is missing"),
    ({"jobs": {"events_stream": {"schedule": None}}}, "jobs.events_stream: schedule is missing"),
    ({"jobs": {"events_stream": {"schedule": "cron(0 2 * * ? *)"}}},
     "jobs.events_stream: schedule must be like rate(15 minutes): BatchUtilization is a percentage of it"),
    ({"jobs": {"events_stream": {"arguments": {"batch_interval_seconds": "900"}}}},
     "jobs.events_stream: arguments.batch_interval_seconds is that of schedule where there is one"),
]  # fmt: skip


@pytest.mark.parametrize(("sections", "sentence"), SENTENCES, ids=[sentence for _, sentence in SENTENCES])
def test_a_mistake_is_a_sentence(folder, sections, sentence):
    write(folder, **sections)
    with pytest.raises(SettingsError, match=f"^own: {re.escape(sentence)}") as raised:
        Settings.read("own", folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("ttl_days", "state_ttl_days", "is_right"),
    [(7, None, True), (8, None, False), (8, "9", True), (8, "8", False), (1, "many", False)],
)
def test_a_live_session_expires_before_its_number_is_given_again(folder, ttl_days, state_ttl_days, is_right):
    arguments = {"state_ttl_days": state_ttl_days}
    write(
        folder, dynamodb={"live_sessions": {"ttl_days": ttl_days}}, jobs={"sessions_stream": {"arguments": arguments}}
    )
    if is_right:
        assert Settings.read("own", folder).dynamodb["live_sessions"].ttl_days == ttl_days
    else:
        with pytest.raises(
            SettingsError, match=r"^own: jobs\.sessions_stream\.arguments\.state_ttl_days must be more than"
        ):
            Settings.read("own", folder)


def test_two_mistakes_are_both_named(folder):
    write(folder, jobs={"replay": {"workers": -3, "flax": True}})
    with pytest.raises(SettingsError, match=r"^own: jobs\.replay\.workers .+; own: there is no setting jobs\."):
        Settings.read("own", folder)


def test_a_stage_that_does_not_exist(folder):
    write(folder)
    with pytest.raises(SettingsError, match=r"^stage prod does not exist; there are own$"):
        Settings.read("prod", folder)


def test_a_stage_that_is_not_yaml(folder):
    (folder / "stages" / "own.yaml").write_text("jobs: {replay: ")
    with pytest.raises(SettingsError, match=r"^own: own\.yaml is not YAML: while parsing"):
        Settings.read("own", folder)


@pytest.mark.parametrize("keys", [("jobs", "replay", "workers"), ("account", "region"), ("pipeline",)])
def test_a_missing_setting_is_named(folder, keys):
    every = yaml.safe_load((folder / "settings.yaml").read_text())
    *sections, name = keys
    fields = every
    for section in sections:
        fields = fields[section]
    del fields[name]
    (folder / "settings.yaml").write_text(yaml.safe_dump(every))
    write(folder)
    with pytest.raises(SettingsError, match=rf"^own: {re.escape('.'.join(keys))} is missing$"):
        Settings.read("own", folder)


@pytest.mark.parametrize("kept", ["jobs", "jobs.replay"])
def test_settings_that_are_no_map_are_named(folder, kept):
    every = yaml.safe_load((folder / "settings.yaml").read_text())
    if kept == "jobs":
        every["jobs"] = None
    else:
        every["jobs"]["replay"] = None
    (folder / "settings.yaml").write_text(yaml.safe_dump(every))
    write(folder, jobs={"replay": {"workers": 7}})
    with pytest.raises(SettingsError, match=rf"^settings\.yaml: {kept} must be a map of settings, not None$"):
        Settings.read("own", folder)


def test_a_job_without_a_script_is_named(folder):
    every = yaml.safe_load((folder / "settings.yaml").read_text())
    every["jobs"]["rplay"] = every["jobs"].pop("replay")
    (folder / "settings.yaml").write_text(yaml.safe_dump(every))
    write(folder)
    with pytest.raises(SettingsError, match=r"^own: jobs: there is no rplay; there are clickstream_batch, "):
        Settings.read("own", folder)


def test_only_names_of_the_stage_are_rendered():
    assert settings.render("s3://${lake}/raw", NAMES) == "s3://lake/raw"
    with pytest.raises(SettingsError, match=r"^there is no \$\{lak\}; there are \$\{lake\}, "):
        settings.render("s3://${lak}/raw", NAMES)
