"""The simulator as a function."""

import pytest

from deploy.settings import Settings
from lambdas import simulate
from local import aws
from local.aws import event_sources

pytestmark = pytest.mark.server


class Context:
    """Lambda's context, with the time that is left."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self.milliseconds


@pytest.fixture(scope="module")
def kinesis(endpoint):
    aws.create(endpoint, Settings.read(aws.STAGE))
    return aws.session().client("kinesis", endpoint_url=endpoint)


@pytest.fixture
def handler(endpoint, kinesis, monkeypatch):  # noqa: ARG001  # it creates the streams
    for name, value in aws.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    simulate._kinesis.cache_clear()  # noqa: SLF001  # another test's, of another server
    return simulate.handler


SCHEDULED_EVENT = {  # https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2015-10-08T16:53:06Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],
    "detail": {},
}


def test_it_puts_the_rows_it_reports(handler, kinesis):
    sent = handler({"seconds": 1, "rate": 50, "malformed": 0.1, "users": 5}, Context(60_000))
    records = [record for _, records in event_sources.Shards(kinesis, "clickstream").unread(500) for record in records]
    assert (sent["format"], sent["stream"], sent["distinct"]) == ("visits", "clickstream", 50)
    assert sent["lines"] == len(records)


def test_an_event_of_eventbridge_holds_the_options_in_its_detail(handler):
    event = SCHEDULED_EVENT | {"detail": {"format": "events", "stream": "events", "seconds": 1}}
    assert handler(event, Context(60_000))["stream"] == "events"


def test_by_default_it_runs_for_20_seconds(handler):
    with pytest.raises(ValueError, match=r"^20 seconds are more than the function's timeout leaves\.$"):
        handler(SCHEDULED_EVENT, Context(20_000))


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"rows": 5}, r"^rows is not known to the simulator\.$"),
        ({"format": "orders"}, r"^orders is not known to the simulator\.$"),
        ({"rate": 0}, "^rate must be between"),
        ({"late": 2}, "^late is a share"),
        ({"stream": "nowhere"}, r"^stream nowhere does not exist$"),
    ],
)
def test_wrong_input_fails_with_one_message(handler, event, message):
    with pytest.raises(Exception, match=message):
        handler({"seconds": 1} | event, Context(60_000))
