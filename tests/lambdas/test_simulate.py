"""The simulator as a function."""

import pytest

from deploy.settings import Settings
from lambdas import simulate
from local import aws
from local.aws import event_sources


class Context:
    """What Lambda tells of the time that is left."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self.milliseconds


@pytest.fixture(scope="module")
def kinesis(endpoint):
    aws.create(endpoint, Settings.read(aws.STAGE))
    return aws.session().client("kinesis", endpoint_url=endpoint)


@pytest.fixture
def handler(endpoint, kinesis, monkeypatch):  # noqa: ARG001  # it makes the streams
    for name, value in aws.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return simulate.handler


SCHEDULED = {  # https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
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


def test_it_puts_what_it_is_asked_for(handler, kinesis):
    sent = handler({"seconds": 1, "rate": 50, "malformed": 0.1, "users": 5}, Context(60_000))
    records = [record for _, records in event_sources.Shards(kinesis, "clickstream").unread(500) for record in records]
    assert (sent["shape"], sent["stream"], sent["distinct"]) == ("visits", "clickstream", 50)
    assert sent["lines"] == len(records)


def test_an_event_of_eventbridge_says_it_in_its_detail(handler):
    event = SCHEDULED | {"detail": {"shape": "events", "stream": "events", "seconds": 1}}
    assert handler(event, Context(60_000))["stream"] == "events"


def test_by_default_it_is_a_visit_a_second_for_20_seconds(handler):
    with pytest.raises(ValueError, match=r"^20 seconds are more than the function's timeout leaves\.$"):
        handler(SCHEDULED, Context(20_000))
    assert simulate.DEFAULTS == {"shape": "visits", "stream": "clickstream", "rate": 1, "seconds": 20}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"rows": 5}, r"^rows is not known to the simulator\.$"),
        ({"shape": "orders"}, r"^orders is not known to the simulator\.$"),
        ({"rate": 0}, "^rate must be between"),
        ({"late": 2}, "^late is a share"),
        ({"stream": "nowhere"}, r"^stream nowhere does not exist$"),
    ],
)
def test_what_it_cannot_do_fails_in_one_sentence(handler, event, said):
    with pytest.raises(Exception, match=said):
        handler({"seconds": 1} | event, Context(60_000))
