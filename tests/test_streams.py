"""Every stream: each form that a producer may put into it, and each of its readers, which judge a record alike."""

import csv
import gzip
import io
import itertools
from base64 import b64decode, b64encode
from datetime import datetime, timedelta

import pytest
from pyspark.sql import functions as F
from records import corpus

from clickstream import schemas
from clickstream.transforms import activity, events, json_records, live_sessions, page_views, visits
from deploy import settings
from lambdas import land_raw, transform
from simulator import FORMATS, ExpectedCounts, Options, arrivals

NOON = datetime(2024, 3, 2, 12)  # noqa: DTZ001 - Spark gives its times, all UTC, without a zone
LATENESS = timedelta(days=3)  # simulated rows happened on the day before
FORMS = {  # stream -> what producers may put into it: the simulator's formats, and the others of its contract
    "events": ["events"],
    "clickstream": ["visits"],
    "page_views": ["page_transitions", "page_transitions as CSV", "visits"],
    "clicks": ["clicks", "app_clicks", "visits"],
}
WRITTEN_BY_JOBS = {"sessions", "page_counts"}  # the tests of these jobs give `store` what they have sent
# Rows of CSV have no time, so the function does not look at it.
OF_TIME = "startswith(reason, 'event_time_') or reason = 'late'"
IS_VALID_BUT_FOR_ITS_TIME = f"reasons is null or forall(reasons, reason -> {OF_TIME})"


class Put:
    """Takes what ``land_raw`` archives."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put_object(self, *, Body: bytes, **_: str) -> None:  # noqa: N803 - S3's own name
        self.lines += gzip.decompress(Body).splitlines()


def through_firehose(function, lines):
    """Return what a transformation makes of each line, a record each; None of one that it fails."""
    records = [
        {"recordId": f"{number}", "data": b64encode(line).decode(), "approximateArrivalTimestamp": 1_709_380_800_000}
        for number, line in enumerate(lines)
    ]
    results = function({"records": records}, None)["records"]
    return [b64decode(one["data"]).removesuffix(b"\n") if one["result"] == "Ok" else None for one in results]


def archived(lines):
    """Return the lines that the raw archive has of them, by either way."""
    s3 = Put()
    records = [
        {
            "eventID": f"shard:{number}",
            "kinesis": {"data": b64encode(line).decode(), "approximateArrivalTimestamp": 1_709_380_800.0},
        }
        for number, line in enumerate(lines)
    ]
    land_raw.archive(records, "s3://lake/raw/stream", s3)
    assert s3.lines == through_firehose(transform.events, lines)
    return s3.lines


def valid(spark, lines, validate, condition="reasons is null"):
    rows = spark.createDataFrame(
        [(bytearray(line), f"{number}", NOON) for number, line in enumerate(lines)],
        "raw binary, origin string, arrived_at timestamp",
    )
    raw = rows.withColumn("raw", F.col("raw").cast("string"))  # which need not be UTF-8
    validated = raw.transform(json_records.split_records).transform(validate).where(condition)
    return sorted(lines[int(row.origin)] for row in validated.select("origin").collect())


def of_archived_activity(spark, form, lines):
    return valid(spark, archived(lines), lambda rows: activity.from_lines(rows, form, activity.line_rules(LATENESS)))


def of_page_transitions(_, __, lines):
    rows = through_firehose(transform.page_transitions, lines)
    return sorted(line for line, row in zip(lines, rows, strict=True) if row is not None)


READERS = {  # stream -> reader, by its name in the settings -> the lines that it accepts
    "events": {
        "events_stream": lambda spark, _, lines: valid(spark, lines, events.validate),
        "events_batch": lambda spark, _, lines: valid(spark, archived(lines), events.validate),
    },
    "clickstream": {
        "clickstream_batch": lambda spark, _, lines: valid(spark, archived(lines), visits.validate),
        "sessions_batch": of_archived_activity,
    },
    "page_views": {
        "transform_page_transitions": of_page_transitions,
        "page_views_stream": lambda spark, _, lines: valid(
            spark, lines, lambda rows: page_views.validate(rows, LATENESS), IS_VALID_BUT_FOR_ITS_TIME
        ),
        "page_counts_batch": lambda spark, _, lines: valid(
            spark,
            archived(lines),
            lambda rows: page_views.validate(rows, LATENESS, page_views.HOUR),
            IS_VALID_BUT_FOR_ITS_TIME,
        ),
    },
    "clicks": {
        "sessions_stream": lambda spark, form, lines: valid(
            spark, lines, lambda rows: activity.from_lines(rows, form, live_sessions.rules(LATENESS))
        ),
        "sessions_batch": of_archived_activity,
    },
}


def simulated(form):
    """Return simulated lines, and how many of them are good in the stream that is theirs."""
    expected = ExpectedCounts()
    name, _, as_csv = form.partition(" as ")
    options = Options(rows=300, duplicates=0, conflicts=0, late=0, malformed=0.2)
    lines = [line for _, _, line in arrivals(name, options, expected)]
    return [csv_of(line) for line in lines] if as_csv else lines, expected.distinct


def csv_of(line):
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(line.decode(errors="surrogateescape").split("\t"))
    return text.getvalue().encode(errors="surrogateescape")


def test_the_settings_have_no_other_readers_and_the_simulator_no_other_forms():
    stage = settings.merged("prod")
    for stream in stage["streams"]:
        readers = {name for name, job in stage["jobs"].items() if stream in job["access"].get("streams", ())}
        readers |= {name for name, function in stage["functions"].items() if stream in function.get("streams", ())}
        readers |= {export["function"] for name, export in stage["exports"].items() if name == stream}
        readers |= {name for name, job in stage["jobs"].items() if f"raw/{stream}" in job["access"].get("read", ())}
        assert readers == ({"store"} if stream in WRITTEN_BY_JOBS else set(READERS[stream]))
        assert (stream in stage["archives"]) == (stream not in WRITTEN_BY_JOBS)
    assert READERS.keys() == FORMS.keys()
    assert {form.partition(" as ")[0] for form in itertools.chain(*FORMS.values())} == set(FORMATS)
    for name, simulated_format in FORMATS.items():
        assert name in {form.partition(" as ")[0] for form in FORMS[simulated_format.stream]}


@pytest.mark.parametrize(("stream", "form"), [(stream, form) for stream, forms in FORMS.items() for form in forms])
def test_every_reader_takes_every_form(spark, stream, form):
    lines, good = simulated(form)
    accepted = {name: read(spark, form, lines) for name, read in READERS[stream].items()}
    first, *others = accepted.values()
    assert all(other == first for other in others)
    if (stream, form) == ("page_views", "visits"):  # <- needs neither a user nor, in CSV, a time
        assert good < len(first) < len(lines)
    else:
        assert len(first) == good


PAGE_VIEWS = {  # record -> the rows of CSV that the function makes of it, and what the job counts: page and views
    "other-search\tOslo\texternal\t12": (["other-search,Oslo,external,12"], [("Oslo", 12)]),
    "other-search,Oslo,external,12": (["other-search,Oslo,external,12"], [("Oslo", 12)]),
    'Lima,"Lima, ""Peru""",link,10': (['Lima,"Lima, ""Peru""",link,10'], [('Lima, "Peru"', 10)]),
    '"Heroes"\tTom,_Dick\tlink\t1': (['"""Heroes""","Tom,_Dick",link,1'], [("Tom,_Dick", 1)]),
    " a\t b \tlink\t007": (["a,b,link,7"], [("b", 7)]),
    "a\tb\tlink\t1\r\na,c,link,2\nbroken": (["a,b,link,1", "a,c,link,2"], [("b", 1), ("c", 2)]),
    '{"page_url":"/a","event_time":1709380800}': (["other-empty,/a,view,1"], [("/a", 1)]),
    '{"page_url":" /a ","referrer_url":"/b, c","event_type":"click","event_time":1709380800}': (
        ['"/b, c",/a,click,1'],
        [("/a", 1)],
    ),
    '{"page_url":"/a","referrer_url":5,"event_type":"x\\ny","event_time":1709380800}': (
        ["other-empty,/a,view,1"],
        [("/a", 1)],
    ),
    '{"page_url":"/b","page_url":"/a",\n"page_url":null,"event_time":1709380800}': (
        ["other-empty,/a,view,1"],
        [("/a", 1)],
    ),
    '{"page_url":"/a","event_time":1709380800}\n\t{"page_url":"/b","event_time":1709380800}': (
        ["other-empty,/a,view,1", "other-empty,/b,view,1"],
        [("/a", 1), ("/b", 1)],
    ),
    "a,b,link,1000000000000": (["a,b,link,1000000000000"], [("b", 10**12)]),
    "a,b,link,1000000000001": ([], []),
    "a,b,link,9223372036854775807": ([], []),
    "a,b,link,0": ([], []),
    "a\tb\tlink\t-1": ([], []),
    "a\tb\tlink\t٣": ([], []),
    "a\tb\tlink": ([], []),
    "a\t\tlink\t1": ([], []),
    "\tb\tlink\t1": ([], []),
    "a\tb\0\tlink\t1": ([], []),
    'a"b,c,link,1': ([], []),
    '"a"b,c,link,1': ([], []),
    '"a,b,link,1': ([], []),
    "a,*,link,1": ([], []),
    "a," + "é" * 1024 + ",link,1": (["a," + "é" * 1024 + ",link,1"], [("é" * 1024, 1)]),
    "a," + "é" * 1025 + ",link,1": ([], []),
    '{"page_url":"/a","x":1,"y":2,5': ([], []),
    '{"page_url":12,"event_time":1709380800}': ([], []),
    '{"page_url":{"a":1},"event_time":1709380800}': ([], []),
    '{"page_url":"*","event_time":1709380800}': ([], []),
    '{"page_url":"a\\nb","event_time":1709380800}': ([], []),
    '{"event_time":1709380800}': ([], []),
    "[1,2,3,4]": ([], []),
    "{}{}": ([], []),
}


def test_the_function_and_the_job_judge_page_views_alike(spark):
    records = list(PAGE_VIEWS)
    rows = through_firehose(transform.page_transitions, [record.encode() for record in records])
    assert {record: row.decode().splitlines() if row else [] for record, row in zip(records, rows, strict=True)} == {
        record: lines for record, (lines, _) in PAGE_VIEWS.items()
    }
    raw = spark.createDataFrame([(record, record, NOON) for record in records], schemas.RAW_LINE)
    counted = {record: [] for record in records}
    for row in (
        raw
        .transform(json_records.split_records)
        .transform(page_views.validate, LATENESS)
        .where("reasons is null")
        .collect()
    ):
        counted[row.origin].append((row.page, row.views))
    assert counted == {record: pages for record, (_, pages) in PAGE_VIEWS.items()}


def test_a_line_that_is_not_utf8_is_bad_to_both_and_kept_as_sent(spark):
    record = b"a\tCaf\xe9\tlink\t1\na\tb\tlink\t2"
    assert through_firehose(transform.page_transitions, [record]) == [b"a,b,link,2"]
    raw = spark.createDataFrame([(bytearray(record), "", NOON)], "raw binary, origin string, arrived_at timestamp")
    records = raw.withColumn("raw", F.col("raw").cast("string"))
    rows = records.transform(json_records.split_records).transform(page_views.validate, LATENESS)
    assert [tuple(row) for row in rows.select(F.col("raw").cast("binary"), "reasons").collect()] == [
        (b"a\tCaf\xe9\tlink\t1", ["not_utf8"]),
        (b"a\tb\tlink\t2", None),
    ]


def test_the_function_makes_a_row_of_every_valid_page_view_of_the_corpus():
    records = corpus("page_views")
    rows = through_firehose(transform.page_transitions, [record for record, _ in records])
    for (record, outcomes), of_record in zip(records, rows, strict=True):
        valid = [reasons for reasons in outcomes if all(reason.startswith("event_time_") for reason in reasons)]
        assert (record, len((of_record or b"").splitlines())) == (record, len(valid))
