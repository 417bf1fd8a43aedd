"""Firehose's transformations into CSV and into lines of the raw archive."""

import csv
import gzip
import io
import json
from base64 import b64decode, b64encode
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas import transform
from local import aws
from local.aws import event_sources
from simulator import ExpectedCounts, Options, arrivals

ARRIVED = 1_710_673_199_999  # 2024-03-17 10:59:59.999
EVENT = b'{"event_uuid":"1","event_name":"a:b","created_at":1710673199}'
ids = count()

DOCUMENTED = {  # https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html
    "invocationId": "invoked123",
    "deliveryStreamArn": "aws:lambda:events",
    "region": "us-west-2",
    "records": [
        {
            "data": "SGVsbG8gV29ybGQ=",
            "recordId": "record1",
            "approximateArrivalTimestamp": 1510772160000,
            "kinesisRecordMetadata": {
                "shardId": "shardId-000000000000",
                "partitionKey": "4d1ad2b9-24f8-4b9d-a088-76e9947c317a",
                "approximateArrivalTimestamp": "2012-04-23T18:25:43.511Z",
                "sequenceNumber": "49546986683135544286507457936321625675700192471156785154",
                "subsequenceNumber": "",
            },
        },
        {"data": "e30=", "recordId": "record2", "approximateArrivalTimestamp": 1510772160000},  # put directly
    ],
}


def record(data, arrived=ARRIVED):
    data = data if isinstance(data, str) else b64encode(data).decode()
    return {"recordId": f"record{next(ids)}", "data": data, "approximateArrivalTimestamp": arrived}


def answered(function, *data):
    """Return (result, data) of each record."""
    answer = function({"records": [record(one) for one in data]}, None)
    return [(one["result"], b64decode(one["data"]) if "data" in one else None) for one in answer["records"]]


def counted(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_documented_event(capsys):
    assert transform.events(DOCUMENTED, None) == {
        "records": [
            {"recordId": "record1", "result": "ProcessingFailed"},
            {
                "recordId": "record2",
                "result": "Ok",
                "data": "e30K",
                "metadata": {"partitionKeys": {"arrived_date": "2017-11-15", "arrived_hour": "18"}},
            },
        ]
    }
    assert counted(capsys) == {
        "function": "events",
        "records": 2,
        "repeated_ids": 0,
        "lines": 1,
        "malformed": 1,
        "ProcessingFailed": 1,
        "Ok": 1,
    }


@pytest.mark.parametrize(
    ("sent", "result", "data"),
    [
        (EVENT, "Ok", EVENT + b"\n"),
        (EVENT + b"\n", "Ok", EVENT + b"\n"),
        (EVENT + b"\n\n" + EVENT, "Ok", EVENT + b"\n" + EVENT + b"\n"),
        (b'{\n "a": 1\n}', "Ok", b'{  "a": 1 }\n'),
        (EVENT + b"\nGET /\n", "Ok", EVENT + b"\nGET /\n"),  # the job quarantines it, with a reason
        (b"GET /\n{", "ProcessingFailed", None),
        (EVENT + EVENT, "ProcessingFailed", None),
        (b"[" + EVENT + b"]", "ProcessingFailed", None),
        (b'{"n":"caf\xe9"}', "ProcessingFailed", None),
        (EVENT.decode().encode("utf-16"), "ProcessingFailed", None),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "ProcessingFailed", None),  # deeper than any parser goes
        (b'{"n":' + b"9" * 5000 + b"}", "Ok", b'{"n":' + b"9" * 5000 + b"}\n"),
        (b" \n\n", "Dropped", None),
        (b"", "Dropped", None),
        ("not base64", "ProcessingFailed", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_event_is_kept_as_sent_or_fails(sent, result, data):
    assert answered(transform.events, sent, EVENT) == [(result, data), ("Ok", EVENT + b"\n")]


@pytest.mark.parametrize(
    ("sent", "result", "rows"),
    [
        ("other-search\tOslo\texternal\t12", "Ok", [["other-search", "Oslo", "external", "12"]]),
        ("a\tb\tlink\t1\r\na\tc\tlink\t2\n", "Ok", [["a", "b", "link", "1"], ["a", "c", "link", "2"]]),
        ('"Heroes"\tTom,_Dick\tlink\t1', "Ok", [['"Heroes"', "Tom,_Dick", "link", "1"]]),
        ("São_Paulo\t大阪\tlink\t007", "Ok", [["São_Paulo", "大阪", "link", "007"]]),
        ("a\tb\tlink\t1\n\nbroken\n", "Ok", [["a", "b", "link", "1"]]),
        ("a\tb\tlink\t1a\tb\tlink\t1", "ProcessingFailed", None),  # two on a line
        ("a\tb\tlink", "ProcessingFailed", None),
        ("a\t\tlink\t1", "ProcessingFailed", None),
        ("a\tb\tlink\t1.5", "ProcessingFailed", None),
        ("a\tb\tlink\t-1", "ProcessingFailed", None),
        ("a\tb\tlink\t٣", "ProcessingFailed", None),
        ("a\tb\tlink\t99999999999999999999999", "ProcessingFailed", None),
        ("a\rb\tb\tlink\t1", "ProcessingFailed", None),
        ("a\x00\tb\tlink\t1", "ProcessingFailed", None),
        (" \t\t\t \r\n", "Dropped", None),
        ("\n", "Dropped", None),
    ],
)
def test_page_transitions_become_rows_of_csv(sent, result, rows):
    [(actual, data), neighbour] = answered(transform.page_transitions, sent.encode(), b"x\ty\tlink\t3")
    assert neighbour == ("Ok", b"x,y,link,3\n")
    assert actual == result
    assert (data and list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))) == rows


def test_quotes_are_doubled_and_only_what_needs_them_has_any():
    assert answered(transform.page_transitions, b'say "hi"\ta,b\tlink\t1') == [("Ok", b'"say ""hi""","a,b",link,1\n')]


def test_lines_that_are_not_utf8_are_skipped_and_counted(capsys):
    assert answered(transform.page_transitions, b"a\tCaf\xe9\tlink\t1\na\tb\tlink\t2") == [("Ok", b"a,b,link,2\n")]
    counts = counted(capsys)
    assert (counts["lines"], counts["malformed"]) == (1, 1)


@pytest.mark.parametrize("function", [transform.events, transform.page_transitions])
def test_a_repeated_id_has_one_result(function, capsys):
    one = record(b"a\tb\tlink\t1" if function is transform.page_transitions else EVENT)
    answer = function({"records": [one, one | {"data": ""}, record(b"")]}, None)
    assert [found["result"] for found in answer["records"]] == ["Ok", "Dropped"]
    assert counted(capsys)["repeated_ids"] == 1


def test_a_record_without_room_in_the_response_fails_alone(capsys):
    """Quotes double, so three records of 1 MB are 8 MB in base64; the small one after them has room."""
    title = b'"' * 500_000
    large = [record(title + b"\t" + title + b"\tlink\t1") for _ in range(3)]
    answer = transform.page_transitions({"records": [*large, record(b"a\tb\tlink\t1")]}, None)
    assert [one["result"] for one in answer["records"]] == ["Ok", "Ok", "ProcessingFailed", "Ok"]
    assert len(json.dumps(answer)) < event_sources.MAX_PAYLOAD_BYTES
    assert counted(capsys)["without_room"] == 1


def test_a_buffer_of_the_default_size_always_has_room():
    title = b'"' * 250_000
    buffer = [record(title + b"\t" + title + b"\tlink\t1") for _ in range(2)]
    answer = transform.page_transitions({"records": buffer}, None)
    assert {one["result"] for one in answer["records"]} == {"Ok"}
    assert len(json.dumps(answer)) < transform.MAX_RESPONSE_BYTES / 2


def test_many_small_records_fill_a_response_with_their_envelopes():
    answer = transform.events({"records": [record(b"{}") for _ in range(35_000)]}, None)
    assert len(json.dumps(answer)) < event_sources.MAX_PAYLOAD_BYTES
    assert {one["result"] for one in answer["records"]} == {"Ok", "ProcessingFailed"}


@pytest.mark.parametrize("function", [transform.events, transform.page_transitions])
@given(sent=st.lists(st.one_of(st.binary(), st.text().map(str.encode), st.just("not base64"))))
def test_any_bytes_have_a_result_of_their_own(function, sent):
    answers = answered(function, *sent)
    assert answers == [answered(function, one)[0] for one in sent]
    assert all(data.endswith(b"\n") if result == "Ok" else data is None for result, data in answers)


@given(
    st.lists(
        st.tuples(
            *[st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32), min_size=1)] * 3,
            st.integers(0, 10**18 - 1),
        ),
        min_size=1,
    )
)
def test_csv_gives_back_the_columns_of_tsv(rows):
    sent = "\n".join("\t".join(map(str, row)) for row in rows).encode()
    [(_, data)] = answered(transform.page_transitions, sent)
    read = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    assert list(read) == [list(map(str, row)) for row in rows]


def test_simulated_transitions_are_separated_from_malformed_lines(capsys):
    expected = ExpectedCounts()
    options = Options(rows=2000, malformed=0.05)
    sent = [line for _, _, line in arrivals("page_transitions", options, expected)]
    empty = expected.malformed_by_kind["empty_line"]
    transform.page_transitions({"records": [record(b"\n".join(sent))]}, None)
    counts = counted(capsys)
    assert counts["lines"] == expected.distinct + expected.duplicates
    assert counts["malformed"] == expected.malformed - empty


@pytest.mark.server
def test_a_stream_of_events_is_delivered_by_its_hour_of_arrival_or_below_the_error_prefix(endpoint):
    kinesis = aws.session().client("kinesis", endpoint_url=endpoint)
    kinesis.create_stream(StreamName="events", ShardCount=2)
    sent = [b'{"event_uuid":"%d"}' % n for n in range(1000)]
    sent[::100] = [b"GET /"] * 10
    for at in range(0, 1000, 500):
        rows = [{"Data": line, "PartitionKey": str(n)} for n, line in enumerate(sent[at : at + 500])]
        kinesis.put_records(StreamName="events", Records=rows)
    s3 = aws.session().client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="lake")
    prefix = "raw/events/arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}/"
    event_sources.Firehose(event_sources.Shards(kinesis, "events"), transform.events, s3, "lake", prefix).drain()
    found = {one["Key"]: one["LastModified"] for one in s3.list_objects_v2(Bucket="lake")["Contents"]}
    texts = {key: gzip.decompress(s3.get_object(Bucket="lake", Key=key)["Body"].read()) for key in found}
    raw = {key: text for key, text in texts.items() if key.startswith("raw/")}
    assert sorted(b"".join(raw.values()).splitlines()) == sorted(line for line in sent if line != b"GET /")
    assert all(f"{found[key]:raw/events/arrived=%Y-%m-%d/}" in key for key in raw)
    failed = [json.loads(line) for key in set(texts) - set(raw) for line in texts[key].splitlines()]
    assert [b64decode(one["rawData"]) for one in failed] == [b"GET /"] * 10
