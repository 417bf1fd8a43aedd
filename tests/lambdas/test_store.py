"""Live sessions and page counts in DynamoDB: the newest version, in whatever order and however often they arrive."""

import io
import json
import socket
from base64 import b64encode
from dataclasses import asdict, fields, replace
from itertools import count
from types import SimpleNamespace

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from deploy.settings import Settings
from lambdas import store
from lambdas.streams import stream_of
from local import aws
from local.aws import event_sources

ARRIVED = 1_710_673_199.5
numbers = count(10**55)

ADA = store.Session(
    user_id="ada",
    session_number=1,
    session_id="ada-1",
    session_key="5f2c",
    started_at="2024-03-17T10:00:00.000Z",
    ended_at="2024-03-17T10:00:09.120Z",
    event_count=3,
    is_closed=False,
    version=3,
)
HOME = store.PageCount(
    page="/", window_start="2024-03-17T10:00:00.000Z", window_seconds=60, views=9, users=4, pages=1, version=1
)


def record(data, stream="sessions"):
    data = data if isinstance(data, str) else b64encode(data).decode()
    number = str(next(numbers))
    return {
        "eventID": f"shardId-000000000000:{number}",
        "eventSourceARN": f"arn:aws:kinesis:us-east-1:123456789012:stream/{stream}",
        "kinesis": {"sequenceNumber": number, "data": data, "approximateArrivalTimestamp": ARRIVED},
    }


def sent(*rows):
    return [record(json.dumps(asdict(row)).encode()) for row in rows]


def number(record):
    return record["kinesis"]["sequenceNumber"]


def reported(answer):
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def counted(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


class DynamoDB:
    """Keeps items by put_item's condition; throttles those of some users."""

    def __init__(self):
        self.items, self.throttled = {}, set()

    def put_item(self, Item, ExpressionAttributeValues, **_):  # noqa: N803  # as boto3 calls them
        user, version = Item["user_id"]["S"], int(ExpressionAttributeValues[":version"]["N"])
        if user in self.throttled:
            raise error("ProvisionedThroughputExceededException")
        key = user, Item["session_number"]["N"]
        if key in self.items and int(self.items[key]["version"]["N"]) >= version:
            raise error("ConditionalCheckFailedException")
        self.items[key] = Item


def error(code):
    return ClientError({"Error": {"Code": code, "Message": "not now"}}, "PutItem")


@pytest.fixture(scope="module")
def stage(endpoint):
    """Create the stage's resources."""
    aws.create(endpoint, Settings.read(aws.STAGE))
    return endpoint


@pytest.fixture(scope="module")
def dynamodb(stage):
    return aws.session().client("dynamodb", endpoint_url=stage)


def items(dynamodb, table):
    plain = TypeDeserializer().deserialize
    return [
        {name: plain(value) for name, value in item.items()}
        for item in dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    ]


def stored(dynamodb, session):
    return [item for item in items(dynamodb, "live_sessions") if item["user_id"] == session.user_id]


@pytest.mark.server
def test_a_session_is_set_by_its_key_and_expires(stage, dynamodb, monkeypatch, capsys):
    for name, value in aws.environment(stage).items():
        monkeypatch.setenv(name, value)
    assert store.handler({"Records": sent(ADA)}, event_sources.Context()) == {"batchItemFailures": []}
    assert stored(dynamodb, ADA) == [asdict(ADA) | {"expires_at": 1_710_673_199 + 7 * 86_400}]
    assert counted(capsys) == {"function": "store", "table": "live_sessions", "records": 1, "written": 1}
    expiry = boto3.client("dynamodb").describe_time_to_live(TableName="live_sessions")["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


@pytest.mark.server
def test_page_counts_go_to_a_table_of_their_own(dynamodb):
    later = replace(HOME, window_start="2024-03-17T10:01:00.000Z", views=1)
    longer = replace(HOME, window_seconds=3600, views=99)  # <- begins with the first window
    records = [record(json.dumps(asdict(row)).encode(), "page_counts") for row in (HOME, later, longer)]
    store.store(records, store.TABLES["page_counts"], dynamodb)
    found = sorted(items(dynamodb, "live_page_counts"), key=lambda item: item["window_key"], reverse=True)
    expires_at = 1_710_673_199 + 2 * 86_400
    assert found == [
        asdict(row) | {"window_key": key, "expires_at": expires_at}
        for row, key in (
            (later, "60#2024-03-17T10:01:00.000Z"),
            (HOME, "60#2024-03-17T10:00:00.000Z"),
            (longer, "3600#2024-03-17T10:00:00.000Z"),
        )
    ]


@pytest.mark.server
def test_page_counts_can_be_asked_for_by_page_and_time(dynamodb):
    page = replace(HOME, page="/asked")
    starts = [f"2024-03-17T10:{minute:02}:00.000Z" for minute in range(10)]
    rows = [replace(page, window_start=start) for start in starts] + [replace(page, window_seconds=300)]
    records = [record(json.dumps(asdict(row)).encode(), "page_counts") for row in rows]
    store.store(records, store.TABLES["page_counts"], dynamodb)
    found = dynamodb.query(  # <- as in docs/architecture.md
        TableName="live_page_counts",
        KeyConditionExpression="page = :page and window_key between :first and :last",
        ExpressionAttributeValues={
            ":page": {"S": "/asked"},
            ":first": {"S": "60#2024-03-17T10:02"},
            ":last": {"S": "60#2024-03-17T10:05"},
        },
    )["Items"]
    assert [item["window_start"]["S"] for item in found] == starts[2:5]


@pytest.mark.server
def test_an_older_version_never_overwrites_a_newer_one(dynamodb, capsys):
    eve = replace(ADA, user_id="eve")
    newer = replace(eve, version=4, event_count=4)
    for batch in ([newer], [eve], [newer, eve], [eve, newer]):
        assert reported(store.store(sent(*batch), store.TABLES["sessions"], dynamodb)) == []
        assert [item["event_count"] for item in stored(dynamodb, eve)] == [4]
    assert counted(capsys) == {"function": "store", "table": "live_sessions", "records": 2, "older": 2}


@pytest.mark.server
def test_poison_records_are_reported_and_their_neighbours_are_stored(dynamodb, capsys):
    bob, cy = replace(ADA, user_id="bob"), replace(ADA, user_id="cy")
    records = [*sent(bob), record(b"{"), record("not base64"), *sent(cy)]
    answer = store.store(records, store.TABLES["sessions"], dynamodb)
    assert reported(answer) == [number(records[1]), number(records[2])]
    assert stored(dynamodb, bob)
    assert stored(dynamodb, cy)
    assert counted(capsys)["malformed"] == 2


def test_the_time_to_live_is_a_setting_of_the_function(monkeypatch):
    monkeypatch.setenv("SESSIONS_TTL_DAYS", "1")
    dynamodb = DynamoDB()
    store.store(sent(ADA), store.TABLES["sessions"], dynamodb)
    [item] = dynamodb.items.values()
    assert item["expires_at"] == {"N": str(1_710_673_199 + 86_400)}


def test_a_consumer_with_enhanced_fan_out_reads_the_same_stream(monkeypatch):
    dynamodb = DynamoDB()
    monkeypatch.setattr(store, "_dynamodb", lambda: dynamodb)
    [one] = sent(ADA)
    one["eventSourceARN"] += "/consumer/live:1710673199"
    assert store.handler({"Records": [one]}, event_sources.Context()) == {"batchItemFailures": []}
    assert [user for user, _ in dynamodb.items] == ["ada"]


@pytest.mark.parametrize(
    ("arn", "stream"),
    [
        ("arn:aws:kinesis:us-east-1:123456789012:stream/sessions", "sessions"),
        ("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/sessions", "sessions"),
        ("arn:aws:kinesis:us-east-1:123456789012:stream/page_counts/consumer/stream/sessions:1", "page_counts"),
    ],
)
def test_a_stream_is_known_by_any_of_its_arns(arn, stream):
    assert stream_of(arn) == stream


@pytest.mark.parametrize("arn", ["arn:aws:dynamodb:us-east-1:123456789012:table/sessions/stream/1", "sessions", ""])
def test_what_is_no_streams_arn_is_an_error(arn):
    with pytest.raises(ValueError, match="is not the ARN of a stream"):
        stream_of(arn)


WRONG = [None, "", 1.5, True, [], {}, "x" * 2049, "\ud800", float("nan")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("user_id", value) for value in [*WRONG, 7]),
        *(("session_number", value) for value in [*WRONG, "7", -1, 2**63, 10**40]),
        *(("is_closed", value) for value in (None, 0, "false")),
        *(("started_at", value) for value in (None, 0, "", "2024-03-17", "2024-02-30T10:00:00.000Z")),
        *(("started_at", value) for value in ("2024-03-17T10:00:00Z", "2024-03-17T10:00:00.000+00:00", "٢" * 24)),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_wrong_field_is_named(name, value, capsys):
    data = json.dumps(asdict(ADA) | {name: value}).encode()
    one = record(data)
    assert reported(store.store([one], store.TABLES["sessions"], DynamoDB())) == [number(one)]
    logged = json.loads(capsys.readouterr().out.splitlines()[0])
    assert logged == {"function": "store", "record": one["eventID"], "error": f"{name} is missing or wrong"}


@pytest.mark.parametrize("row", [ADA, HOME])
def test_a_missing_field_is_named_and_an_unknown_one_is_ignored(row):
    kind = type(row)
    for field in fields(kind):
        rest = {name: value for name, value in asdict(row).items() if name != field.name}
        with pytest.raises(store.MalformedError, match=f"^{field.name} is missing"):
            store.read(json.dumps(rest).encode(), kind)
    assert store.read(json.dumps(asdict(row) | {"note": "x"}).encode(), kind) == row


def test_a_throttled_item_is_reported_and_the_rest_is_stored(capsys):
    dynamodb = DynamoDB()
    dynamodb.throttled = {"bob"}
    records = sent(ADA, replace(ADA, user_id="bob"), replace(ADA, user_id="cy"))
    assert reported(store.store(records, store.TABLES["sessions"], dynamodb)) == [number(records[1])]
    assert [user for user, _ in dynamodb.items] == ["ada", "cy"]
    assert counted(capsys)["failed"] == 1
    dynamodb.throttled = set()
    assert reported(store.store(records[1:], store.TABLES["sessions"], dynamodb)) == []
    assert sorted(user for user, _ in dynamodb.items) == ["ada", "bob", "cy"]


@pytest.mark.server
def test_the_sdk_retries_while_dynamodb_throttles(stage, dynamodb, monkeypatch):
    for name, value in aws.environment(stage).items():
        monkeypatch.setenv(name, value)
    client = store.client()
    throttled = count()

    def throttle(request, **_):
        if next(throttled) < 3:
            body = b'{"__type":"ThrottlingException","message":"not now"}'
            return AWSResponse(request.url, 400, {}, Raw(body))
        return None

    client.meta.events.register("before-send.dynamodb.PutItem", throttle)
    dan = replace(ADA, user_id="dan")
    assert reported(store.store(sent(dan), store.TABLES["sessions"], client)) == []
    assert next(throttled) == 4
    assert stored(dynamodb, dan)


class Raw(io.BytesIO):
    """A body as urllib3 has it."""

    def stream(self, **_):
        yield self.read()


@pytest.fixture
def silent():
    """Accept connections, and answer nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_puts_that_nothing_answers_end_before_the_function_does(silent, monkeypatch, capsys):
    for name, value in aws.environment(silent).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store, "PUT", replace(store.PUT, read_seconds=1, attempts=2))
    store._dynamodb.cache_clear()  # noqa: SLF001
    records = sent(*[replace(ADA, user_id=f"user-{n}") for n in range(200)])
    context = event_sources.Context(timeout_seconds=9)
    answer = store.handler({"Records": records}, context)
    store._dynamodb.cache_clear()  # noqa: SLF001
    assert context.get_remaining_time_in_millis() > 0
    assert reported(answer) == [number(one) for one in records]
    counts = counted(capsys)
    assert counts["failed"] >= store.WRITERS
    assert counts["failed"] + counts["out_of_time"] == 200


def test_the_longest_put_is_the_sum_of_its_attempts_and_pauses(silent, monkeypatch):
    for name, value in aws.environment(silent).items():
        monkeypatch.setenv(name, value)
    pauses = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(store, "PUT", replace(store.PUT, read_seconds=1))
    records = sent(ADA)
    assert reported(store.store(records, store.TABLES["sessions"], store.client())) == [number(records[0])]
    assert len(pauses) == store.PUT.attempts - 1
    waited = store.PUT.attempts * (store.PUT.connect_seconds + store.PUT.read_seconds)
    assert waited + sum(pauses) <= store.PUT.longest_seconds


@pytest.mark.server
def test_a_missing_table_reports_every_record(endpoint):
    dynamodb = aws.session().client("dynamodb", endpoint_url=endpoint)
    table = replace(store.TABLES["sessions"], name="no_such_table")
    records = sent(ADA, replace(ADA, user_id="bob"))
    assert reported(store.store(records, table, dynamodb)) == [number(one) for one in records]


@given(
    st.lists(
        st.one_of(st.binary(), st.just("not base64"), st.recursive(st.none(), st.lists).map(json.dumps).map(str.encode))
    )
)
def test_any_bytes_are_reported_and_lose_no_neighbour(rows):
    dynamodb = DynamoDB()
    poison = [record(row) for row in rows]
    records = [*poison, *sent(ADA)]
    assert reported(store.store(records, store.TABLES["sessions"], dynamodb)) == [number(one) for one in poison]
    assert [user for user, _ in dynamodb.items] == ["ada"]


json_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just({}))


@given(
    st.fixed_dictionaries({
        field.name: st.one_of(st.just(getattr(ADA, field.name)), json_values) for field in fields(ADA)
    })
)
def test_a_record_is_stored_as_it_is_or_reported(row):
    dynamodb = DynamoDB()
    answer = store.store([record(json.dumps(row).encode())], store.TABLES["sessions"], dynamodb)
    if answer["batchItemFailures"]:
        assert dynamodb.items == {}
    else:
        [item] = dynamodb.items.values()
        plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items() if name != "expires_at"}
        assert plain == row


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), min_size=1), st.integers(1, 4), st.randoms())
def test_any_order_and_any_batches_end_with_the_newest(versions, batch_size, random):
    dynamodb = DynamoDB()
    rows = [replace(ADA, user_id=user, version=version, event_count=version) for user, version in versions]
    again = [*rows, *random.sample(rows, len(rows) // 2)]
    for at in range(0, len(again), batch_size):
        store.store(sent(*again[at : at + batch_size]), store.TABLES["sessions"], dynamodb)
    newest = {user: max(version for name, version in versions if name == user) for user, _ in versions}
    assert {user: int(item["event_count"]["N"]) for (user, _), item in dynamodb.items.items()} == newest


@pytest.mark.server
def test_a_stream_with_poison_records_is_stored_and_goes_on(stage, dynamodb):
    kinesis = aws.session().client("kinesis", endpoint_url=stage)
    rows = [replace(ADA, user_id=f"user-{n % 40}", version=n) for n in range(400)]
    lines = [json.dumps(asdict(row)).encode() for row in rows]
    lines[::50] = [b"poison"] * 8
    kinesis.put_records(
        StreamName="sessions", Records=[{"Data": line, "PartitionKey": str(n % 40)} for n, line in enumerate(lines)]
    )
    calls = count()

    def function(event, _):
        answer = store.store(event["Records"], store.TABLES["sessions"], dynamodb)
        if next(calls) % 5 == 0:
            raise TimeoutError  # after it has written
        return answer

    event_sources.Trigger(event_sources.Shards(kinesis, "sessions"), function, batch_size=60).drain()
    found = {
        item["user_id"]: item["version"] for item in items(dynamodb, "live_sessions") if "user-" in item["user_id"]
    }
    good = [row for row, line in zip(rows, lines, strict=True) if line != b"poison"]
    assert found == {row.user_id: row.version for row in good}  # the last of each user
