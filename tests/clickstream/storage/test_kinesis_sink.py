"""Records into a stream: within the limits of a call, none lost and none twice."""

import time
from collections import Counter

import pytest

from clickstream import errors
from clickstream.storage import kinesis_sink


class Kinesis:
    """Takes records as a stream does that is too busy for some of them."""

    def __init__(self, refuses=lambda _: False):
        self.refuses, self.calls, self.taken = refuses, [], []

    def put_records(self, StreamName, Records):  # noqa: ARG002, N803  # as boto3 calls them
        self.calls.append(Records)
        answers = []
        for record in Records:
            if self.refuses(record):
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "not now"})
            else:
                self.taken.append(record["Data"])
                answers.append({"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
        return {"FailedRecordCount": len(Records) - len(self.taken), "Records": answers}


def record(size, key="u1"):
    return {"Data": b"x" * (size - len(key.encode())), "PartitionKey": key}


def test_a_call_is_within_the_limits():
    sent = [*[record(10)] * 1200, *[record(2**20)] * 6, record(2**20 - 1, "ü" * 100)]
    calls = list(kinesis_sink.calls(sent))
    assert [one for call in calls for one in call] == sent
    assert [len(call) for call in calls] == [500, 500, 204, 3]
    sizes = [sum(len(one["Data"]) + len(one["PartitionKey"].encode()) for one in call) for call in calls]
    assert max(sizes) <= kinesis_sink.MAX_BYTES


def test_a_record_that_no_stream_takes_is_one_sentence():
    with pytest.raises(errors.PutError, match=r"^a record has 1,048,577 bytes with its key; Kinesis takes 1,048,576$"):
        kinesis_sink.put(Kinesis(), "s", [record(2**20 + 1)])


def test_what_a_call_leaves_out_is_put_again_and_nothing_else(monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    tries = Counter()

    def refuses(one):
        tries[one["Data"]] += 1
        return tries[one["Data"]] <= int(one["Data"]) % 4

    busy = Kinesis(refuses)
    kinesis_sink.put(busy, "s", [{"Data": b"%d" % n, "PartitionKey": "u"} for n in range(700)])
    assert sorted(map(int, busy.taken)) == list(range(700))
    assert [len(call) for call in busy.calls] == [500, 375, 250, 125, 200, 150, 100, 50]
    assert len(pauses) == 6
    assert all(0 <= pause <= kinesis_sink.FIRST_PAUSE * 4 for pause in pauses)


def test_a_stream_that_stays_busy_is_an_error(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    busy = Kinesis(lambda _: True)
    said = r"^stream s rejected 2 records 10 times, the last with ProvisionedThroughputExceededException$"
    with pytest.raises(errors.PutError, match=said):
        kinesis_sink.put(busy, "s", [record(10), record(10)])
    assert len(busy.calls) == kinesis_sink.ATTEMPTS
