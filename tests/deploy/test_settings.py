"""Settings: all that is in the tree is in them, nothing else is, and what is wrong is one sentence."""

import ast
import dataclasses
import importlib
import re

import pytest
import yaml

from clickstream.runtime.arguments import parse_arguments
from deploy import ddl, settings
from deploy.errors import SettingsError
from deploy.settings import Settings

ROOT = settings.FOLDER.parent
NAMES = {"lake": "lake", "code": "code", "region": "us-east-1", "account": "123456789012"}
RUNS = {  # what a run has to be given besides
    "replay": [
        {"source": "events", "events_table": "glue_catalog.clickstream.events"},
        {"source": "clickstream", "clickstream_path": "s3://${lake}/clickstream"},
    ],
}


@pytest.fixture(params=settings.stages())
def stage(request):
    return Settings.read(request.param)


def handlers():
    """Every function in lambdas/ that Lambda could call: its arguments are event and context."""
    return {
        f"lambdas.{path.stem}.{node.name}"
        for path in (ROOT / "lambdas").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and [argument.arg for argument in node.args.args] == ["event", "context"]
    }


def runs(name, job):
    """Give the arguments that a job can be started with."""
    given = {key: text for key, text in job.arguments.items() if text is not None}
    return [given | run for run in RUNS.get(name, [{}])]


def test_every_stage_of_the_runbook_is_there():
    assert {"dev", "staging", "prod"} <= set(settings.stages())


def test_every_script_is_a_job_and_every_job_a_script(stage):
    assert set(stage.jobs) == {path.stem for path in (ROOT / "glue_jobs").glob("*.py")}


def test_every_handler_is_a_function_and_every_function_a_handler(stage):
    assert {function.handler for function in stage.functions.values()} == handlers()


def test_every_argument_of_a_job_is_in_its_settings_and_the_job_takes_them(stage):
    for name, job in stage.jobs.items():
        arguments = importlib.import_module(name).Arguments
        assert set(job.arguments) == {field.name for field in dataclasses.fields(arguments)}, name
        for run in runs(name, job):
            words = [word for key in run for word in (f"--{key}", settings.filled(run[key], NAMES))]
            parse_arguments(arguments, [name, *words])


def test_what_is_named_is_there(stage):
    tables = {table.name for table in ddl.tables("lake")}
    streams, live = set(stage.streams), set(stage.dynamodb)
    for entry in [*stage.jobs.values(), *stage.functions.values()]:
        assert set(entry.access.get("tables", [])) <= tables
        assert {*entry.access.get("streams", []), *entry.access.get("put", [])} <= streams
        assert set(entry.access.get("set", [])) <= live
    assert {stream for function in stage.functions.values() for stream in function.streams} <= streams
    assert set(stage.archives) <= streams
    assert {archive.function for archive in stage.archives.values()} <= set(stage.functions)
    assert set(stage.pipeline) == {"clickstream"}


def test_a_jobs_access_is_what_its_arguments_name(stage):
    for name, job in stage.jobs.items():
        values = [value for run in runs(name, job) for value in run.values()]
        paths = {value.removeprefix("s3://${lake}/") for value in values if value.startswith("s3://${lake}/")}
        tables = {value.removeprefix("glue_catalog.clickstream.") for value in values if value.startswith("glue_")}
        streams = {value.rpartition("/")[2] for value in values if value.startswith("arn:aws:kinesis:")}
        allowed = {*job.access.get("read", []), *job.access["write"]} - {"quarantine_replayed"}
        assert allowed == paths | tables, name
        assert set(job.access.get("tables", [])) == tables, name
        assert set(job.access.get("streams", [])) == streams, name
        assert set(job.access.get("put", [])) == {v for k, v in job.arguments.items() if k.endswith("_stream")}


def test_every_table_is_written_by_a_job(stage):
    written = {folder for job in stage.jobs.values() for folder in job.access["write"]}
    assert {table.location.removeprefix("lake/").strip("/") for table in ddl.tables("lake")} <= written


def test_a_streaming_job_that_ends_is_scheduled_and_one_that_does_not_has_a_window(stage):
    for job in stage.jobs.values():
        if job.kind == "streaming":
            assert (job.schedule is None) == (job.arguments["run"] == "continuous")
            assert job.maintenance_window


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "settings.yaml").write_text((settings.FOLDER / "settings.yaml").read_text())
    return tmp_path


def write(folder, **sections):
    (folder / "stages" / "own.yaml").write_text(yaml.safe_dump(sections))


def test_a_stages_own_fields_replace_those_of_every_stage(folder):
    write(folder, jobs={"replay": {"workers": 7, "arguments": {"reason": "empty"}}})
    job, usual = Settings.read("own", folder).jobs["replay"], Settings.read("dev").jobs["replay"]
    assert job == dataclasses.replace(usual, workers=7, arguments={**usual.arguments, "reason": "empty"})


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"jobs": {"rplay": {"workers": 7}}}, "own: settings.yaml has no jobs.rplay"),
        ({"job": {"replay": {"workers": 7}}}, "own: settings.yaml has no job.replay"),
        ({"jobs": {"replay": {"worker": 7}}}, "own: jobs.replay: no field worker; there are kind"),
        ({"jobs": {"replay": {"workers": "7"}}}, "own: jobs.replay.workers: '7' is not"),
        ({"jobs": {"replay": {"workers": True}}}, "own: jobs.replay.workers: True is not"),
        ({"jobs": {"replay": {"kind": "ray"}}}, "own: jobs.replay.kind: 'ray' is not"),
        ({"jobs": {"replay": {"arguments": {"reason": 7}}}}, "own: jobs.replay: arguments are texts: quote reason"),
        ({"jobs": {"replay": {"worker_type": "R.1X"}}}, "own: jobs.replay: flex is for batch on G.1X and G.2X"),
        ({"jobs": {"events_stream": {"flex": True}}}, "own: jobs.events_stream: flex is for batch"),
        ({"jobs": {"replay": {"flex": False, "worker_type": "G.025X"}}}, "own: jobs.replay: G.025X is for streaming"),
        ({"jobs": {"replay": {"maintenance_window": "Sun:03"}}}, "own: jobs.replay: a maintenance_window is for"),
        ({"jobs": {"events_stream": {"maintenance_window": "Sun:24"}}}, "own: jobs.events_stream: maintenance_window"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(folder, sections, sentence):
    write(folder, **sections)
    with pytest.raises(SettingsError, match=f"^{re.escape(sentence)}"):
        Settings.read("own", folder)


def test_a_stage_that_is_not_there(folder):
    write(folder)
    with pytest.raises(SettingsError, match=r"^stage prod: there is none; there are own$"):
        Settings.read("prod", folder)


def test_a_field_that_is_missing(folder):
    every = yaml.safe_load((folder / "settings.yaml").read_text())
    del every["jobs"]["replay"]["workers"]
    (folder / "settings.yaml").write_text(yaml.safe_dump(every))
    write(folder)
    with pytest.raises(SettingsError, match=r"^own: jobs\.replay: workers missing"):
        Settings.read("own", folder)


def test_only_the_names_of_a_stage_are_filled_in():
    assert settings.filled("s3://${lake}/raw", NAMES) == "s3://lake/raw"
    with pytest.raises(SettingsError, match=r"^\$\{lak\} is not known; there are \$\{lake\}, "):
        settings.filled("s3://${lak}/raw", NAMES)
