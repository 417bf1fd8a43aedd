"""Every alarm that terraform plans goes off for what it is for, and is quiet at its threshold."""

import ast
import dataclasses
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from moto.events.models import EventPattern

from clickstream.runtime import metrics
from clickstream.runtime.counts import RowCounts
from deploy import scale
from deploy.account import Account
from deploy.settings import FOLDER, Settings
from local import aws

pytestmark = [pytest.mark.process, pytest.mark.slow]
STAGE = "prod"
SETTINGS = Settings.read(STAGE)
ACCOUNT = Account(SETTINGS, "123456789012")
THRESHOLDS = SETTINGS.alarms
LATENCY = THRESHOLDS.end_to_end_latency_minutes * 60
STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Average": lambda values: sum(values) / len(values),
}
# What AWS records: namespace, metric, dimensions, unit, and a value at which all is well and one at which it is not.
# https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
# https://docs.aws.amazon.com/glue/latest/dg/monitor-observability.html
GLUE = {"JobName": "{}", "JobRunId": "ALL", "Type": "gauge", "ObservabilityGroup": "resource_utilization"}
OF_AWS = {
    "no_data": ("AWS/Kinesis", "IncomingRecords", {"StreamName": "{}"}, "Count", 1, None),
    "stream_lag": (
        "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", {"StreamName": "{}"}, "Milliseconds",
        LATENCY * 1000, LATENCY * 1000 + 1,
    ),
    "function_errors": ("AWS/Lambda", "Errors", {"FunctionName": "{}"}, "Count", 0, 1),
    "function_lag": (
        "AWS/Lambda", "IteratorAge", {"FunctionName": "{}"}, "Milliseconds", LATENCY * 1000, LATENCY * 1000 + 1,
    ),
    "firehose_lag": (
        "AWS/Firehose", "DeliveryToS3.DataFreshness", {"DeliveryStreamName": "{}"}, "Seconds",
        LATENCY + 300, LATENCY + 301,
    ),
    "dead_letter": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "{}-dlq"}, "Count", 0, 1),
    "driver_memory": (
        "Glue", "glue.driver.memory.heap.used.percentage", GLUE, "Percentage",
        THRESHOLDS.heap_percent, THRESHOLDS.heap_percent + 1,
    ),
    "executor_memory": (
        "Glue", "glue.ALL.memory.heap.used.percentage", GLUE, "Percentage",
        THRESHOLDS.heap_percent, THRESHOLDS.heap_percent + 1,
    ),
    "pipeline_failed": (
        "AWS/States", "ExecutionsFailed",
        {"StateMachineArn": ACCOUNT.arn("states", "stateMachine:{}")}, "Count", 0, 1,
    ),
}  # fmt: skip
# What AWS sends, by rule: an event, and the field of its detail and a value of it with which nobody is to be told.
# https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-glue.html
# https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
EVENTS = {
    "job_failed": (
        {"source": "aws.glue", "detail-type": "Glue Job State Change",
         "detail": {"jobName": "events_stream", "severity": "ERROR", "state": "FAILED", "jobRunId": "jr_1"}},
        "state", "SUCCEEDED",
    ),
    "pipeline_stopped": (
        {"source": "aws.states", "detail-type": "Step Functions Execution Status Change",
         "detail": {"stateMachineArn": ACCOUNT.arn("states", "stateMachine:nightly"), "status": "TIMED_OUT"}},
        "status", "FAILED",  # which the state machine tells of itself
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Point:
    """A value of a metric, within the last period."""

    namespace: str
    metric: str
    dimensions: dict[str, str]
    unit: str
    value: float


@pytest.fixture(scope="module")
def planned(terraform):
    """Plan a stage; return the values of each resource by its type."""
    with aws.running() as endpoint:
        terraform("plan", "-input=false", "-out=alarms.tfplan", f"-var=stage={STAGE}", endpoint=endpoint)
        plan = json.loads(terraform("show", "-json", "alarms.tfplan", endpoint=endpoint))
    resources = {}
    for resource in plan["planned_values"]["root_module"]["resources"]:
        resources.setdefault(resource["type"], []).append(resource.get("values", {}))  # none: known after apply
    return resources


@pytest.fixture
def alarms(planned):
    return {alarm["alarm_name"]: alarm for alarm in planned["aws_cloudwatch_metric_alarm"]}


def state(alarm, points):
    """Evaluate an alarm as CloudWatch does, over one period."""
    assert alarm["evaluation_periods"] == 1
    if queries := alarm["metric_query"]:
        values = {query["id"]: of_period(query["metric"][0], points) for query in queries if query["metric"]}
        (expression,) = (query["expression"] for query in queries if query["return_data"])
        is_whole = all(values.values())  # a division by zero has no value, either
        value = eval(expression, {}, values) if is_whole else None  # noqa: S307  # the alarm's own
    else:
        value = of_period({**alarm, "stat": alarm["statistic"]}, points)
    if value is None:
        return {"breaching": "ALARM", "notBreaching": "OK"}[alarm["treat_missing_data"]]
    threshold = alarm["threshold"]
    return "ALARM" if {
        "GreaterThanThreshold": value > threshold, "LessThanThreshold": value < threshold
    }[alarm["comparison_operator"]] else "OK"  # fmt: skip


def of_period(metric, points):
    """Return the statistic of the points that have the metric's name, its dimensions to the letter, and its unit."""
    wanted = (metric["namespace"], metric["metric_name"], metric["dimensions"] or {})
    values = [point.value for point in points if (point.namespace, point.metric, point.dimensions) == wanted
              and metric.get("unit") in {None, "", point.unit}]  # fmt: skip
    return STATISTICS[metric["stat"]](values) if values else None


def by_aws(kind, subject, *, trouble):
    if kind == "throttled":
        table, _, access = subject.rpartition("-")
        name = f"{access.capitalize()}ThrottleEvents"
        return [Point("AWS/DynamoDB", name, {"TableName": table}, "Count", int(trouble))]
    namespace, metric, dimensions, unit, well, ill = OF_AWS[kind]
    value = ill if trouble else well
    filled = {name: text.format(subject) for name, text in dimensions.items()}
    return [] if value is None else [Point(namespace, metric, filled, unit, value)]


def by_function(name, filters, *, trouble):
    """Write the last line of a call to the function's log group, as Lambda does, and filter it."""
    memory = SETTINGS.functions[name].memory_mb
    used = memory * THRESHOLDS.function_memory_percent // 100 + trouble
    line = (
        "REPORT RequestId: 5e1c-2f\tDuration: 12.34 ms\tBilled Duration: 13 ms\t"
        f"Memory Size: {memory} MB\tMax Memory Used: {used} MB\tInit Duration: 210.5 ms\t\n"
    )
    return [
        point for each in filters if each["log_group_name"] == f"/aws/lambda/{name}" for point in matched(each, line)
    ]


def matched(metric_filter, line):
    """Apply a metric filter whose pattern is space-delimited.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
    """
    fields = [field.strip() for field in metric_filter["pattern"].removeprefix("[").removesuffix("]").split(",")]
    words, values = line.split(), {}
    if fields[-1] != "..." and len(fields) != len(words):
        return
    for field, word in zip(fields[:-1] if fields[-1] == "..." else fields, words, strict=False):
        name, equals, text = field.partition("=")
        if equals and text.strip('"') != word:
            return
        values[f"${name}"] = word
    for metric in metric_filter["metric_transformation"]:
        yield Point(metric["namespace"], metric["name"], {}, metric["unit"], float(values[metric["value"]]))


def emitted_names():
    """Read the name that each job emits its metrics under from its source."""
    sources = {path.stem: path.read_text() for path in (FOLDER.parent / "glue_jobs").glob("*_stream.py")}
    return {
        job: ast.literal_eval(node.args[0])
        for job, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "metrics.emit_batch"
    }


def by_job(kind, name, capsys, *, trouble):
    """Let the job's own code emit the metrics of a batch, and read them as CloudWatch does."""
    job, now = SETTINGS.jobs[name], time.time()
    interval = scale.batch_interval(name, job)
    seconds = scale.fixed_seconds(job)  # a small batch
    if kind == "batch_utilization" and trouble:
        seconds = interval * THRESHOLDS.batch_utilization_percent / 100 + 1
    age = LATENCY + 1 if kind == "end_to_end_latency" and trouble else LATENCY - 10
    quarantined = THRESHOLDS.quarantined_percent + (kind == "quarantined_ratio" and trouble)
    reasons = {"unprocessable": 1} if kind == "unprocessable" and trouble else {}
    counts = RowCounts(100, 100 - quarantined, quarantined=quarantined, quarantined_by_reason=reasons)
    batch = SimpleNamespace(began=now - seconds, batch_interval_seconds=interval, snapshot_properties={})
    metrics.emit_batch(emitted_names()[name], batch, counts, metrics.datetime.fromtimestamp(now - age).astimezone())
    line = json.loads(capsys.readouterr().out)
    return [
        Point(defined["Namespace"], name, {key: line[key] for key in keys}, unit, line[name])
        for defined in line["_aws"]["CloudWatchMetrics"]
        for keys in defined["Dimensions"]
        for name, unit in (metric.values() for metric in defined["Metrics"])
    ]


def test_each_goes_off_for_its_trouble_and_is_quiet_at_its_threshold(planned, alarms, capsys):
    def recorded(kind, subject, *, trouble):
        if kind == "function_memory":
            return by_function(subject, planned["aws_cloudwatch_log_metric_filter"], trouble=trouble)
        if kind in OF_AWS or kind == "throttled":
            return by_aws(kind, subject, trouble=trouble)
        return by_job(kind, subject, capsys, trouble=trouble)

    states = {}
    for name, alarm in alarms.items():
        kind, _, subject = name.partition(".")
        states[name] = [state(alarm, recorded(kind, subject, trouble=trouble)) for trouble in (False, True)]
    assert {name: found for name, found in states.items() if found != ["OK", "ALARM"]} == {}


def test_what_they_watch_exists(planned, alarms):
    names = {"FunctionName": set(SETTINGS.functions), "JobName": set(SETTINGS.jobs), "Job": set(SETTINGS.jobs)}
    for key, kind in {
        "StreamName": "aws_kinesis_stream",
        "DeliveryStreamName": "aws_kinesis_firehose_delivery_stream",
        "QueueName": "aws_sqs_queue",
        "TableName": "aws_dynamodb_table",
    }.items():
        names[key] = {values["name"] for values in planned[kind]}
    watched = {(key, value) for alarm in alarms.values() for key, value in (alarm["dimensions"] or {}).items()}
    assert {(key, value) for key, value in watched if key in names and value not in names[key]} == set()
    assert names.keys() <= {key for key, _ in watched}


def test_each_rule_takes_its_event_and_no_other(planned):
    rules = {rule["name"]: EventPattern.load(rule["event_pattern"]) for rule in planned["aws_cloudwatch_event_rule"]}
    assert rules.keys() == EVENTS.keys()
    for name, (event, field, other) in EVENTS.items():
        assert rules[name].matches_event(event), name
        assert not rules[name].matches_event({**event, "detail": {**event["detail"], field: other}}), name


def test_each_has_its_row_in_the_runbook_and_each_row_its_alarm(alarms):
    runbook = Path(FOLDER.parent / "docs" / "runbook.md").read_text()
    table = runbook.partition("## Alarms")[2].partition("### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", table, re.MULTILINE)
    others = {"cost", *EVENTS}  # a budget, and rules
    assert {name for name, _, _ in rows} == {name.partition(".")[0] for name in alarms} | others
    named = re.findall(r"`(\w+_(?:lag|latency|utilization|errors|letter|data))`", str(rows))
    assert set(named) <= {name for name, _, _ in rows}
    columns = THRESHOLDS.model_dump()
    assert all(f"`{name}`" in table for name in columns)
