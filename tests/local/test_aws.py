"""The local AWS: Kinesis by its documentation, and the server as a process that ends with its parent."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.kinesis import models

from local import aws
from local.aws import kinesis as local_kinesis

LOWEST, MIDDLE, HIGHEST = "0", str(2**127), str(2**128 - 1)
FIRST, SECOND, THIRD, FOURTH = (f"shardId-{number:012d}" for number in range(4))
numbers = count()

pytestmark = [pytest.mark.server, pytest.mark.process]


@pytest.fixture(scope="module")
def kinesis(endpoint):
    return aws.session().client("kinesis", endpoint_url=endpoint)


@pytest.fixture
def stream(kinesis):
    """Create a stream of two shards."""
    name = f"stream-{next(numbers)}"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    return name


def put(kinesis, stream, *texts, hash_key=LOWEST):
    """Put one after another into the shard of a hash key; return the sequence numbers."""
    return [
        kinesis.put_record(StreamName=stream, Data=text, PartitionKey="any", ExplicitHashKey=hash_key)["SequenceNumber"]
        for text in texts
    ]


def iterator(kinesis, stream, shard, kind="TRIM_HORIZON", **place):
    return kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=kind, **place)[
        "ShardIterator"
    ]


def read(kinesis, stream, shard, kind="TRIM_HORIZON", **place):
    """Read from an iterator to the shard's tip or end."""
    following, records = iterator(kinesis, stream, shard, kind, **place), []
    while following:
        answer = kinesis.get_records(ShardIterator=following)
        records += answer["Records"]
        following = answer.get("NextShardIterator") if answer["MillisBehindLatest"] else None
    return records


def texts(records):
    return [record["Data"].decode() for record in records]


def shards(kinesis, stream):
    return {shard["ShardId"]: shard for shard in kinesis.list_shards(StreamName=stream)["Shards"]}


def hash_keys(shard):
    return int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def fails_with(code):
    return pytest.raises(ClientError, match=rf"\({code}\)")


def test_concurrent_puts_lose_nothing_and_keep_each_keys_order(kinesis, stream):
    def write(writer):
        acknowledged = []
        for number in range(40):
            sent = {"Data": f"{number}", "PartitionKey": f"one-by-one-{writer}"}
            acknowledged.append(kinesis.put_record(StreamName=stream, **sent))
            batch = [{"Data": "batch", "PartitionKey": f"{writer}-{number}-{n}"} for n in range(100)]
            acknowledged += kinesis.put_records(StreamName=stream, Records=batch)["Records"]
        return [(answer["ShardId"], answer["SequenceNumber"]) for answer in acknowledged]

    with ThreadPoolExecutor(6) as writers:
        acknowledged = sorted(key for keys in writers.map(write, range(6)) for key in keys)

    assert len(acknowledged) == len(set(acknowledged)) == 6 * 40 * 101
    stored = {shard: read(kinesis, stream, shard) for shard in (FIRST, SECOND)}
    assert [(shard, record["SequenceNumber"]) for shard in stored for record in stored[shard]] == acknowledged
    for writer in range(6):
        key = f"one-by-one-{writer}"
        mine = [record for records in stored.values() for record in records if record["PartitionKey"] == key]
        assert texts(mine) == [str(number) for number in range(40)]


def test_resharding_amid_puts_loses_nothing_and_children_continue_their_parents(kinesis, stream):
    is_over = threading.Event()

    def write(writer):
        sent = 0
        while not is_over.is_set():
            kinesis.put_record(StreamName=stream, Data=f"{sent}", PartitionKey=f"writer-{writer}")
            sent += 1
        return sent

    with ThreadPoolExecutor(4) as writers:
        writing = [writers.submit(write, writer) for writer in range(4)]
        for target in (4, 2, 3, 1, 2):
            time.sleep(0.1)
            kinesis.update_shard_count(StreamName=stream, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        time.sleep(0.1)
        is_over.set()
        sent = [one.result() for one in writing]

    in_order = [record for shard in sorted(shards(kinesis, stream)) for record in read(kinesis, stream, shard)]
    for writer in range(4):  # shards are numbered in the order they are opened: parents before children
        mine = [record for record in in_order if record["PartitionKey"] == f"writer-{writer}"]
        assert texts(mine) == [str(number) for number in range(sent[writer])]
        assert len(mine) > 10


def test_threads_that_take_turns_at_the_worst_moments_break_nothing(monkeypatch):
    monkeypatch.setattr(models, "Shard", local_kinesis.LogShard)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        stream = local_kinesis.LogStream("stream", 2, None, None, "123456789012", aws.REGION)
        with ThreadPoolExecutor(8) as threads:
            puts = [threads.submit(stream.put_record, f"key-{n}", "", "") for n in range(8_000)]
            while not all(one.done() for one in puts):
                for target in (4, 2):
                    stream.update_shard_count(target)
    finally:
        sys.setswitchinterval(interval)
    logs = {shard: [record.sequence_number for record in stream.shards[shard].log] for shard in stream.shards}
    assert sorted((one.result()[1], int(one.result()[0])) for one in puts) == [
        (shard, number) for shard in sorted(logs) for number in logs[shard]
    ]
    for shard in stream.shards.values():
        assert shard.is_open or all(number < shard.ending_sequence_number for number in logs[shard.shard_id])


def test_a_split_shard_takes_no_more_and_its_children_start_empty(kinesis, stream):
    put(kinesis, stream, "before")
    kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey="1000")
    put(kinesis, stream, "lower", hash_key="999")
    put(kinesis, stream, "upper", hash_key="1000")

    listed = shards(kinesis, stream)
    assert {shard: hash_keys(listed[shard]) for shard in listed} == {
        FIRST: (0, 2**127 - 1),
        SECOND: (2**127, 2**128 - 1),
        THIRD: (0, 999),
        FOURTH: (1000, 2**127 - 1),
    }
    assert [is_open(listed[shard]) for shard in (FIRST, SECOND, THIRD, FOURTH)] == [False, True, True, True]
    assert [listed[shard].get("ParentShardId") for shard in (SECOND, THIRD, FOURTH)] == [None, FIRST, FIRST]
    assert texts(read(kinesis, stream, FIRST)) == ["before"]
    assert texts(read(kinesis, stream, THIRD)) == ["lower"]
    assert texts(read(kinesis, stream, FOURTH)) == ["upper"]
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3


@pytest.mark.parametrize("pair", [(FIRST, SECOND), (SECOND, FIRST)], ids=["lower_first", "upper_first"])
def test_merged_shards_take_no_more_and_their_child_starts_empty(kinesis, stream, pair):
    put(kinesis, stream, "low")
    put(kinesis, stream, "high", hash_key=HIGHEST)
    kinesis.merge_shards(StreamName=stream, ShardToMerge=pair[0], AdjacentShardToMerge=pair[1])
    put(kinesis, stream, "after")
    put(kinesis, stream, "after", hash_key=HIGHEST)

    listed = shards(kinesis, stream)
    assert [shard for shard in listed if is_open(listed[shard])] == [THIRD]
    assert hash_keys(listed[THIRD]) == (0, 2**128 - 1)
    assert (listed[THIRD]["ParentShardId"], listed[THIRD]["AdjacentParentShardId"]) == pair
    assert [texts(read(kinesis, stream, shard)) for shard in listed] == [["low"], ["high"], ["after", "after"]]


def test_a_shards_sequence_numbers_lie_in_its_range_and_a_childs_after_its_parents(kinesis, stream):
    (sent,) = put(kinesis, stream, "parent")
    kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey="1000")
    listed = shards(kinesis, stream)
    bounds = listed[FIRST]["SequenceNumberRange"]
    child = int(listed[THIRD]["SequenceNumberRange"]["StartingSequenceNumber"])
    assert int(bounds["StartingSequenceNumber"]) <= int(sent) <= int(bounds["EndingSequenceNumber"])
    assert child > int(sent)
    assert int(put(kinesis, stream, "child")[0]) >= child


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_closed_shard_ends_once_it_is_read_out(kinesis, stream, limit):
    put(kinesis, stream, "a", "b", "c")
    kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey="1000")
    following, seen, answer = iterator(kinesis, stream, FIRST), [], {}
    while following:
        assert "ChildShards" not in answer
        answer = kinesis.get_records(ShardIterator=following, Limit=limit)
        following, seen = answer.get("NextShardIterator"), seen + texts(answer["Records"])
        assert (len(seen) < 3) == bool(following)
    assert seen == ["a", "b", "c"]
    assert [child["ShardId"] for child in answer["ChildShards"]] == [THIRD, FOURTH]
    assert [child["ParentShards"] for child in answer["ChildShards"]] == [[FIRST], [FIRST]]
    assert answer["MillisBehindLatest"] == 0


def test_a_reader_at_the_tip_of_a_shard_sees_that_it_closes(kinesis, stream):
    put(kinesis, stream, "a")
    at_tip = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST))["NextShardIterator"]
    still_open = kinesis.get_records(ShardIterator=at_tip)
    assert still_open["Records"] == []
    kinesis.merge_shards(StreamName=stream, ShardToMerge=FIRST, AdjacentShardToMerge=SECOND)
    ended = kinesis.get_records(ShardIterator=still_open["NextShardIterator"])
    assert ended["Records"] == []
    assert "NextShardIterator" not in ended
    assert "NextShardIterator" not in kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST, "LATEST"))
    assert [child["ParentShards"] for child in ended["ChildShards"]] == [[FIRST, SECOND]]


def test_iterators_by_sequence_number_trim_horizon_and_latest(kinesis, stream):
    sent = put(kinesis, stream, "a", "b", "c")
    starting = shards(kinesis, stream)[FIRST]["SequenceNumberRange"]["StartingSequenceNumber"]
    latest = iterator(kinesis, stream, FIRST, "LATEST")
    for kind, number, expected in [
        ("AT_SEQUENCE_NUMBER", sent[0], ["a", "b", "c"]),
        ("AT_SEQUENCE_NUMBER", sent[1], ["b", "c"]),
        ("AT_SEQUENCE_NUMBER", sent[2], ["c"]),
        ("AFTER_SEQUENCE_NUMBER", sent[0], ["b", "c"]),
        ("AFTER_SEQUENCE_NUMBER", sent[2], []),
        ("AT_SEQUENCE_NUMBER", starting, ["a", "b", "c"]),  # as ListShards gives it
        ("AFTER_SEQUENCE_NUMBER", starting, ["a", "b", "c"]),
    ]:
        assert texts(read(kinesis, stream, FIRST, kind, StartingSequenceNumber=number)) == expected, (kind, number)
    put(kinesis, stream, "d")
    assert texts(read(kinesis, stream, FIRST, "TRIM_HORIZON")) == ["a", "b", "c", "d"]
    assert texts(kinesis.get_records(ShardIterator=latest)["Records"]) == ["d"]  # the tip when it was asked for


def test_iterators_at_a_timestamp(kinesis, stream):
    put(kinesis, stream, "early")
    time.sleep(1.1)  # boto3 sends whole seconds
    put(kinesis, stream, "late", "later")
    (early, late, _) = [record["ApproximateArrivalTimestamp"] for record in read(kinesis, stream, FIRST)]
    assert abs(datetime.now(UTC) - late) < timedelta(seconds=5)
    between = early.replace(microsecond=0) + timedelta(seconds=1)
    for instant, expected in [
        (early - timedelta(days=1), ["early", "late", "later"]),
        (early.replace(microsecond=0), ["early", "late", "later"]),
        (between, ["late", "later"]),
    ]:
        assert texts(read(kinesis, stream, FIRST, "AT_TIMESTAMP", Timestamp=instant)) == expected, instant
    time.sleep(max(0.0, 1.01 - (datetime.now(UTC) - late.replace(microsecond=0)).total_seconds()))
    after_all = datetime.now(UTC).replace(microsecond=0)
    assert read(kinesis, stream, FIRST, "AT_TIMESTAMP", Timestamp=after_all) == []
    put(kinesis, stream, "latest")
    assert texts(read(kinesis, stream, FIRST, "AT_TIMESTAMP", Timestamp=after_all)) == ["latest"]


def test_milliseconds_behind_the_tip(kinesis, stream):
    put(kinesis, stream, "a")
    time.sleep(0.1)
    put(kinesis, stream, "b")
    first = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST), Limit=1)
    assert 100 <= first["MillisBehindLatest"] < 10_000
    assert kinesis.get_records(ShardIterator=first["NextShardIterator"])["MillisBehindLatest"] == 0


def test_an_iterator_can_be_used_again_and_expires_after_five_minutes(kinesis, stream):
    put(kinesis, stream, "a")
    fresh = iterator(kinesis, stream, FIRST)
    assert texts(kinesis.get_records(ShardIterator=fresh)["Records"]) == ["a"]
    assert texts(kinesis.get_records(ShardIterator=fresh)["Records"]) == ["a"]

    def aged(seconds):
        decoded = local_kinesis.ShardIterator.decode(fresh)
        return replace(decoded, issued_ms=decoded.issued_ms - seconds * 1000).encode()

    assert texts(kinesis.get_records(ShardIterator=aged(290))["Records"]) == ["a"]
    with fails_with("ExpiredIteratorException"):
        kinesis.get_records(ShardIterator=aged(301))


def test_a_get_returns_at_most_10_000_records(kinesis, stream):
    batch = [{"Data": "x", "PartitionKey": "any", "ExplicitHashKey": LOWEST}] * 500
    for _ in range(21):
        kinesis.put_records(StreamName=stream, Records=batch)
    first = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST))
    assert len(first["Records"]) == 10_000
    assert len(kinesis.get_records(ShardIterator=first["NextShardIterator"])["Records"]) == 500
    with fails_with("InvalidArgumentException"):
        kinesis.get_records(ShardIterator=first["NextShardIterator"], Limit=10_001)


def test_a_get_returns_at_most_10_mib(kinesis, stream):
    megabyte = b"x" * (2**20 - len("any"))
    put(kinesis, stream, *[megabyte] * 11)
    first = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST))
    assert len(first["Records"]) == 10
    assert len(kinesis.get_records(ShardIterator=first["NextShardIterator"])["Records"]) == 1


def of_size(size):
    return {"Data": b"x" * (size - len("key")), "PartitionKey": "key"}


@pytest.mark.parametrize(
    ("accepted", "too_much", "code"),
    [
        ([of_size(10)] * 500, [of_size(10)] * 501, "ValidationException"),
        ([of_size(2**20)], [of_size(10), of_size(2**20 + 1)], "ValidationException"),
        ([of_size(2**20)] * 5, [of_size(2**20)] * 5 + [of_size(4)], "InvalidArgumentException"),
    ],
    ids=["500_records", "1_mib_a_record_with_its_key", "5_mib_a_request"],
)
def test_a_put_at_its_limit_is_accepted_and_one_beyond_it_is_rejected_as_a_whole(
    kinesis, stream, accepted, too_much, code
):
    with fails_with(code):
        kinesis.put_records(StreamName=stream, Records=too_much)
    assert sum(len(read(kinesis, stream, shard)) for shard in (FIRST, SECOND)) == 0
    assert kinesis.put_records(StreamName=stream, Records=accepted)["FailedRecordCount"] == 0
    assert sum(len(read(kinesis, stream, shard)) for shard in (FIRST, SECOND)) == len(accepted)


def test_a_single_put_has_the_records_limit(kinesis, stream):
    kinesis.put_record(StreamName=stream, **of_size(2**20))
    with fails_with("ValidationException"):
        kinesis.put_record(StreamName=stream, **of_size(2**20 + 1))


@pytest.mark.parametrize("hash_key", [LOWEST, str(2**127 - 1), MIDDLE, HIGHEST])
def test_every_hash_key_has_a_shard_to_its_very_ends(kinesis, stream, hash_key):
    answer = kinesis.put_record(StreamName=stream, Data="x", PartitionKey="any", ExplicitHashKey=hash_key)
    assert answer["ShardId"] == (FIRST if int(hash_key) < 2**127 else SECOND)


def test_without_a_hash_key_the_md5_of_the_partition_key_decides(kinesis, stream):
    keys = {"ada": SECOND, "bob": SECOND, "ann": FIRST, "sue": FIRST}  # md5 begins with 8c, 9f, 7e, 2e
    for key, shard in keys.items():
        assert kinesis.put_record(StreamName=stream, Data="x", PartitionKey=key)["ShardId"] == shard, key


def test_shards_are_listed_page_by_page(kinesis, stream):
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    everything = list(shards(kinesis, stream))
    pages = [kinesis.list_shards(StreamName=stream, MaxResults=2)]
    while "NextToken" in pages[-1]:
        pages.append(kinesis.list_shards(NextToken=pages[-1]["NextToken"], MaxResults=2))
    assert [shard["ShardId"] for page in pages for shard in page["Shards"]] == everything == sorted(everything)
    rest = kinesis.list_shards(StreamName=stream, ExclusiveStartShardId=SECOND)["Shards"]
    assert [shard["ShardId"] for shard in rest] == everything[2:]
    with fails_with("InvalidArgumentException"):
        kinesis.list_shards(StreamName=stream, NextToken=pages[0]["NextToken"])
    with fails_with("InvalidArgumentException"):  # rather than all shards, unfiltered
        kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})


def test_a_stream_is_found_by_its_arn_alone(kinesis, stream):
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    kinesis.put_record(StreamARN=arn, Data="a", PartitionKey="any", ExplicitHashKey=LOWEST)
    by_arn = kinesis.get_shard_iterator(StreamARN=arn, ShardId=FIRST, ShardIteratorType="TRIM_HORIZON")
    assert texts(kinesis.get_records(ShardIterator=by_arn["ShardIterator"])["Records"]) == ["a"]


def test_invalid_requests_are_rejected(kinesis, stream):
    (sent,) = put(kinesis, stream, "a")
    kinesis.split_shard(StreamName=stream, ShardToSplit=SECOND, NewStartingHashKey=str(2**127 + 2**126))
    with fails_with("InvalidArgumentException"):  # closed already
        kinesis.split_shard(StreamName=stream, ShardToSplit=SECOND, NewStartingHashKey=str(2**127 + 1))
    with fails_with("InvalidArgumentException"):  # not within the shard
        kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey=MIDDLE)
    with fails_with("InvalidArgumentException"):  # nothing would be left of it
        kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey=LOWEST)
    with fails_with("InvalidArgumentException"):  # a gap between them
        kinesis.merge_shards(StreamName=stream, ShardToMerge=FIRST, AdjacentShardToMerge=FOURTH)
    with fails_with("InvalidArgumentException"):  # a sequence number of another shard
        iterator(kinesis, stream, THIRD, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=sent)
    with fails_with("InvalidArgumentException"):
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        iterator(kinesis, stream, FIRST, "AT_TIMESTAMP", Timestamp=tomorrow)
    with fails_with("InvalidArgumentException"):
        kinesis.get_records(ShardIterator="not an iterator")
    with fails_with("InvalidArgumentException"):
        put(kinesis, stream, "x", hash_key=str(2**128))
    with fails_with("ResourceNotFoundException"):
        iterator(kinesis, stream, "shardId-000000000099")
    with fails_with("ResourceNotFoundException"):
        put(kinesis, "no-such-stream", "x")


def test_the_other_services_answer(endpoint):
    def client(service):
        return aws.session().client(service, endpoint_url=endpoint)

    client("s3").create_bucket(Bucket="bucket")
    client("s3").put_object(Bucket="bucket", Key="key", Body=b"object")
    assert client("s3").get_object(Bucket="bucket", Key="key")["Body"].read() == b"object"
    client("glue").create_database(DatabaseInput={"Name": "clickstream"})
    assert client("glue").get_database(Name="clickstream")["Database"]["Name"] == "clickstream"
    client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").put_item(TableName="table", Item={"key": {"S": "ada"}})
    assert client("dynamodb").get_item(TableName="table", Key={"key": {"S": "ada"}})["Item"] == {"key": {"S": "ada"}}
    topic = client("sns").create_topic(Name="topic")["TopicArn"]
    queue = client("sqs").create_queue(QueueName="queue")["QueueUrl"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:queue")
    client("sns").publish(TopicArn=topic, Message="published")
    assert "published" in client("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"]


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def has_ended(port):
    deadline = time.monotonic() + 10
    while is_listening(port) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_listening(port)


def test_it_ends_with_a_parent_that_is_killed():
    script = "from local import aws\nwith aws.running() as endpoint: print(endpoint, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=aws.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        port = int(parent.stdout.readline().rpartition(":")[2])
        assert is_listening(port)
        parent.send_signal(signal.SIGKILL)
    assert has_ended(port)


def test_it_ends_with_the_context():
    with aws.running() as endpoint:
        port = int(endpoint.rpartition(":")[2])
        assert is_listening(port)
    assert not is_listening(port)


def local_aws(*arguments):
    command = [sys.executable, "-m", "local", "aws", *arguments]
    return subprocess.Popen(command, cwd=aws.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_command_prints_the_variables_and_serves_the_stage_until_it_is_interrupted(monkeypatch):
    with local_aws("--port", "0") as command:
        try:
            lines = [command.stdout.readline() for _ in range(6)]
            variables = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
            assert variables == aws.environment(variables["AWS_ENDPOINT_URL"])
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            assert list(shards(boto3.Session().client("kinesis"), "events")) == [FIRST, SECOND]
            buckets = boto3.Session().client("s3").list_buckets()["Buckets"]
            assert {bucket["Name"] for bucket in buckets} == {"code", "lake"}
        finally:
            command.send_signal(signal.SIGINT)
        assert command.wait(10) == 0
        assert command.stderr.read() == ""
    assert has_ended(int(variables["AWS_ENDPOINT_URL"].rpartition(":")[2]))


def test_a_port_in_use_is_one_message_and_a_status(endpoint):
    port = endpoint.rpartition(":")[2]
    with local_aws("--port", port) as command:
        stdout, stderr = command.communicate(timeout=60)
    assert command.returncode == 1
    assert stdout == ""
    assert stderr == f"aws: port {port}: address already in use; choose another by --port\n"


def test_an_invalid_port_is_one_message_and_a_status():
    with local_aws("--port", "70000") as command:
        _, stderr = command.communicate(timeout=60)
    assert command.returncode == 2
    assert stderr.splitlines()[-1].endswith("argument --port: invalid port_number value: '70000'")
