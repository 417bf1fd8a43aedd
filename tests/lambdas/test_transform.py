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

from clickstream.transforms import texts
from lambdas import archive_lines, transform
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
            {
                "recordId": record_id,
                "result": "Ok",
                "data": data,
                "metadata": {"partitionKeys": {"arrived_date": "2017-11-15", "arrived_hour": "18"}},
            }
            for record_id, data in (("record1", "SGVsbG8gV29ybGQK"), ("record2", "e30K"))
        ]
    }
    assert counted(capsys) == {
        "function": "events",
        "records": 2,
        "repeated_ids": 0,
        "lines": 2,
        "malformed": 0,
        "Ok": 2,
    }


@pytest.mark.parametrize(
    "sent",
    [
        EVENT,
        EVENT + b"\n",
        EVENT + b"\r\n",
        b"GET /",
        EVENT + EVENT,
        b'{"n":"caf\xe9"}',
        b"\x00",
        b"\xff\xfe",
        b"\x1f\x8b",
        b" ",
        b"",
    ],
)
def test_a_record_is_the_line_that_it_is(sent):
    assert answered(transform.events, sent) == [("Ok", sent.removesuffix(b"\n") + b"\n")]


@pytest.mark.parametrize(
    "sent",
    [
        EVENT + b"\n" + EVENT,
        b'{\n "a": 1\n}\n',
        b"\xff\n" + EVENT,
        b"\n\n",
        b"\x1e" + EVENT,  # <- as what is in base64 begins
        b"\x1eeA==",
        b"\xef\xbb\xbf" + EVENT,  # <- a byte order mark, which readers of text take off a file
    ],
)
def test_a_record_that_would_not_come_back_is_kept_in_base64(sent):
    [(result, data)] = answered(transform.events, sent)
    assert (result, data.count(b"\n"), data[-1:]) == ("Ok", 1, b"\n")
    assert data[:1] == archive_lines.MARKER
    assert b64decode(data[1:], validate=False) == sent


def test_an_event_that_is_not_base64_fails_alone():
    answers = answered(transform.events, "not base64", EVENT)
    assert answers == [("ProcessingFailed", None), ("Ok", EVENT + b"\n")]


@pytest.mark.parametrize(
    ("sent", "result", "rows"),
    [
        ("other-search\tOslo\texternal\t12", "Ok", [["other-search", "Oslo", "external", "12"]]),
        ("a\tb\tlink\t1\r\na\tc\tlink\t2\n", "Ok", [["a", "b", "link", "1"], ["a", "c", "link", "2"]]),
        ('"Heroes"\tTom,_Dick\tlink\t1', "Ok", [['"Heroes"', "Tom,_Dick", "link", "1"]]),
        ("São_Paulo\t大阪\tlink\t007", "Ok", [["São_Paulo", "大阪", "link", "7"]]),
        ("a\tb\tlink\t1\n\nbroken\n", "Ok", [["a", "b", "link", "1"]]),
        ("a\tb\tlink\t1a\tb\tlink\t1", "ProcessingFailed", None),  # two on a line
        ("a\tb\tlink", "ProcessingFailed", None),
        ("a\t\tlink\t1", "ProcessingFailed", None),
        ("a\tb\tlink\t1.5", "ProcessingFailed", None),
        ("a\tb\tlink\t-1", "ProcessingFailed", None),
        ("a\tb\tlink\t٣", "ProcessingFailed", None),
        ("a\tb\tlink\t99999999999999999999999", "ProcessingFailed", None),
        ("a\tb\tlink\t" + "0" * 5000 + "1", "Ok", [["a", "b", "link", "1"]]),
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
    empty = "Ok" if function is transform.events else "Dropped"
    assert [found["result"] for found in answer["records"]] == ["Ok", empty]
    assert counted(capsys)["repeated_ids"] == 1


def test_a_record_without_room_in_the_response_fails_alone(capsys):
    """Quotes double, so three records of 1 MB are 8 MB in base64; the small one after them has room."""
    title = b'"' * 1_000_000
    large = [record(title + b"\tb\tlink\t1") for _ in range(3)]
    answer = transform.page_transitions({"records": [*large, record(b"a\tb\tlink\t1")]}, None)
    assert [one["result"] for one in answer["records"]] == ["Ok", "Ok", "ProcessingFailed", "Ok"]
    assert len(json.dumps(answer)) < event_sources.MAX_PAYLOAD_BYTES
    assert counted(capsys)["without_room"] == 1


def test_a_buffer_of_the_default_size_always_has_room():
    title = b'"' * 500_000
    buffer = [record(title + b"\tb\tlink\t1") for _ in range(2)]
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


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(
    st.lists(
        st
        .tuples(text, text, text, st.integers(1, 10**12))
        .map(lambda row: tuple(str(column).strip(texts.WHITE_SPACE) for column in row))
        .filter(lambda row: all(row) and row[0][0] != "{" and row[1] != "*"),
        min_size=1,
    )
)
@pytest.mark.parametrize("form", ["tsv", "csv"])
def test_csv_gives_back_the_columns_of_every_form(form, rows):
    sent = io.StringIO()
    if form == "csv":
        csv.writer(sent, lineterminator="\n").writerows(rows)
    else:
        sent.write("\n".join("\t".join(row) for row in rows))
    [(_, data)] = answered(transform.page_transitions, sent.getvalue().encode())
    assert [tuple(row) for row in csv.reader(io.StringIO(data.decode(), newline=""), strict=True)] == rows


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
def test_a_stream_of_events_is_delivered_by_its_hour_of_arrival(endpoint):
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
    assert sorted(b"".join(raw.values()).splitlines()) == sorted(sent)
    assert all(f"{found[key]:raw/events/arrived=%Y-%m-%d/}" in key for key in raw)
    assert raw == texts
