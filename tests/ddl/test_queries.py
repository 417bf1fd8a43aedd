"""Every statement of ``ddl`` that is for analysts is answered as it was worked out by hand, over rows in the lake."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from clickstream import schemas
from clickstream.transforms import hyperloglog
from deploy import ddl

MARCH = "2024-03-{}".format


def at(text: str) -> datetime:
    """Return a time that is written as 03-17 or 03-17 10:15:30.123, of 2024."""
    return datetime.fromisoformat(f"2024-{text}")


PLAIN = ("/", 0.0, 1, True)
SESSIONS = [  # user, number, start, (entry page, seconds, events, whether it is a bounce)
    ("eve", 4, "03-03 23:59:59.999", PLAIN),  # <- a Sunday
    ("ada", 1, "03-04 00:00:00.000", ("/", 10.0, 2, False)),
    ("ada", 2, "03-04 23:59:59.999", ("/?utm=mail", 0.0, 1, True)),
    ("bob", 1, "03-04 12:00", ("/cart", 1.0, 3, False)),
    ("cyd", 1, "03-05 08:00", ("/p?x=1", 5.0, 2, False)),
    ("cyd", 2, "03-05 09:00", ("/p?x=2", 0.0, 1, True)),
    ("bob", 2, "03-05 10:00", ("/p", 2.0, 2, False)),
    ("bob", 3, "03-05 11:00", (None, 0.0, 1, True)),
    ("ada", 3, "03-10 23:59:59.999", PLAIN),
    ("dan", 1, "03-11 00:00:00.000", PLAIN),  # <- a Monday
    ("eve", 5, "03-12 12:00", PLAIN),  # <- was there before
    ("lea", 9, "03-17 00:00:00.000", ("/", 3600.0, 3, False)),
    ("ada", 4, "03-17 23:59:59.999", ("/", 3600.5, 4, False)),
    # <- a week without a session
    ("dan", 2, "03-25 00:00:00.000", PLAIN),
    ("cyd", 3, "03-26 12:00", PLAIN),
    ("eve", 6, "03-27 12:00", PLAIN),
    ("eve", 7, "03-28 12:00", PLAIN),
    ("hal", 6, "03-30 22:59:59.999", PLAIN),
    ("hal", 7, "03-30 23:00:00.000", PLAIN),  # <- in Berlin the 31st, which has no 02:00
    ("fay", 1, "03-31 00:59:59.999", PLAIN),
    ("fay", 2, "03-31 01:00:00.000", PLAIN),
    ("bob", 4, "03-31 01:30", PLAIN),
    ("fay", 3, "03-31 01:59:59.999", PLAIN),
    ("bob", 5, "03-31 21:59:59.999", PLAIN),
    ("bob", 6, "03-31 22:00:00.000", PLAIN),  # <- in Berlin the first of April
    ("gus", 1, "04-01 00:00:00.000", PLAIN),
    ("ada", 5, "04-01 12:00", PLAIN),
    ("ivy", 1, "10-27 00:30", PLAIN),  # <- in Berlin the first 02:30 of that day
    ("ivy", 2, "10-27 01:30", PLAIN),  # <- and the second
]
SESSION_EVENTS = [  # session, day on which it began, type, time, page
    ("ada-4", "03-17", "product", "03-17 23:59:59.999", "/"),
    ("ada-4", "03-17", "view", "03-18 00:00:00.000", "/p?a=1"),
    ("ada-4", "03-17", "view", "03-18 00:10", None),
    ("ada-4", "03-17", "view", "03-18 00:30", "/p?a=2"),
    ("ada-4", "03-17", "view", "03-18 01:00:00.499", "/cart"),
    ("lea-9", "03-17", "view", "03-17 00:00:00.000", None),
    *(("all", "03-19", kind, f"03-19 00:00:0{second}", None)
      for second, kind in [(0, "product"), (1, "cart"), (2, "checkout"), (3, "payment"), (9, "cart")]),
    *(("without_checkout", "03-19", kind, f"03-19 00:00:0{second}", None)
      for second, kind in [(0, "product"), (1, "cart"), (2, "payment")]),
    *(("pays_first", "03-19", kind, f"03-19 00:00:0{second}", None)
      for second, kind in [(0, "product"), (1, "cart"), (2, "payment"), (3, "checkout")]),
    *(("backwards", "03-19", kind, f"03-19 00:00:0{second}", None)
      for second, kind in [(0, "payment"), (1, "checkout"), (2, "cart"), (3, "product")]),
    *(("at_once", "03-19", kind, "03-19 23:59:59.999", None) for kind in ("checkout", "cart", "product")),
    *(("again", "03-19", kind, f"03-19 00:00:0{second}", None)
      for second, kind in [(0, "cart"), (1, "product"), (2, "cart")]),
    ("no_product", "03-19", "cart", "03-19 00:00:00", None),
    *(("same_as_ada-4", "03-21", "view", f"03-21 10:00:0{second}", page)
      for second, page in enumerate(["/", "/p", "/cart"])),
    *(("six_moves", "03-31", "view", f"03-31 23:59:59.99{second}", page) for second, page in enumerate("xyxyzzx")),
    *(("at_one_instant", "03-21", "view", "03-21 10:00", page) for page in ("/x", "/y")),
    *(("one_page", day, "view", day, "/cart") for day in ("03-01", "03-22")),
    ("of_april", "04-01", "view", "04-01", "/"),
    ("of_february", "02-29", "view", "02-29 23:59:59.999", "/"),
]  # fmt: skip
AMOUNT = '{{"currency": {}, "amount": {}, "ok": true}}'.format
TAKEN = [*[1] * 8, *[60] * 4, *[300] * 4, *[3600] * 4]  # seconds from signup to order
EVENTS = [  # user, type, time
    *(("ann", kind, f"03-01 00:00:0{second}")
      for second, kind in enumerate(["product", "cart", "checkout", "payment"])),
    *(("ben", kind, f"03-02 00:00:0{second}") for second, kind in enumerate(["product", "cart", "payment"])),
    *(("cat", kind, f"03-02 00:00:0{second}")
      for second, kind in enumerate(["payment", "checkout", "cart", "product"])),
    *(("dot", kind, "03-31 23:59:59.999") for kind in ("payment", "product", "checkout", "cart")),
    *(("eli", kind, time) for kind, time in [("product", "03-02 00:00"), ("cart", "03-09 00:00:00.001")]),
    *(("fox", kind, time)
      for kind, time in [("product", "03-02"), ("product", "03-05"), ("cart", "03-06"), ("checkout", "03-12")]),
    *(("kim", kind, time) for kind, time in [("product", "03-02 00:00"), ("cart", "03-09 00:00")]),
    ("gil", "cart", "03-05"),
    *((None, kind, time) for kind, time in [("product", "03-02 00:00"), ("cart", "03-02 00:01")]),
    *(("hue", kind, time) for kind, time in [("product", "02-29 23:59:59.999"), ("cart", "03-01 00:00:00.000")]),
    *(("ivo", kind, time) for kind, time in [("product", "03-31 12:00"), ("cart", "04-01 00:00:00.000")]),
    ("ann", "payment", "03-03"), ("ben", "payment", "03-03"),
    *((f"u{number}", "signup", "03-10 23:59:59.999") for number, _ in enumerate(TAKEN)),
    *((f"u{number}", "order", at("03-10 23:59:59.999") + timedelta(seconds=taken))
      for number, taken in enumerate(TAKEN)),
    ("u0", "order", "03-09 12:00"), ("u0", "order", "03-11 12:00"),  # <- before it signed up, and its second one
    ("never_orders", "signup", "03-10"),
    ("never_signs_up", "order", "03-10"),
    *(("orders_first", kind, time) for kind, time in [("order", "03-09"), ("signup", "03-10")]),
    (None, "click", "03-17 00:00:00.000"), ("ann", "login", "03-23 23:59:59.999"),
    (None, "video", "03-24 00:00:00.000"), (None, "wish", "03-24"), (None, "zoom", "03-24"),
]  # fmt: skip
PAYLOADS = {  # of payments: user, time
    ("ann", at("03-01 00:00:03")): AMOUNT('"EUR"', 10.1),
    ("ann", at("03-03")): AMOUNT('"EUR"', 1),
    ("ben", at("03-02 00:00:02")): AMOUNT('"EUR"', '"20.20"'),
    ("ben", at("03-03")): AMOUNT("null", "3.333"),
    ("cat", at("03-02 00:00:00")): AMOUNT('"EUR"', '"x"'),
    ("dot", at("03-31 23:59:59.999")): AMOUNT('"USD"', '{"value": 1}'),
}
SHOP = "https://shop.example"
VISITS = [  # user, time, type, page, referrer, country
    ("ada", "03-17 00:00:00.000", "page_view", "/", None, "DE"),
    ("ada", "03-17 23:59:59.999", "page_view", "/?a=1", None, "DE"),
    ("bob", "03-17", "page_view", "/", None, "DE"),
    *((user, "03-17", "page_view", "/", None, country)
      for user, country in [("cyd", "FR"), ("dan", "BR"), ("eve", "US"), ("fay", "JP"), ("guy", "MX")]),
    ("ada", "03-18 00:00:00.000", "page_view", "/", "not a URL", "FR"),
    ("ada", "03-20", "page_view", f"{SHOP}/a", "https://www.google.com/", "DE"),
    ("ada", "03-21 10:00", "page_view", f"{SHOP}/b", "https://t.co/x9", "DE"),
    ("ada", "03-21 10:05", "page_view", f"{SHOP}/c", f"{SHOP}/b", "DE"),
    ("ada", "03-21 10:10", "purchase", f"{SHOP}/thanks", None, "DE"),
    ("ada", "03-21 10:11", "page_view", f"{SHOP}/c", "https://late.example/", "DE"),
    ("ada", "03-22 00:00:00.000", "purchase", f"{SHOP}/thanks", None, "DE"),
    ("bob", "02-20 11:59:59.999", "page_view", f"{SHOP}/a", "https://older.example/", "DE"),
    ("bob", "02-20 12:00", "page_view", f"{SHOP}/a", "https://old.example/", "DE"),  # <- exactly 30 days before
    ("bob", "03-21 12:00", "purchase", f"{SHOP}/thanks", "android-app://com.example.mail", "DE"),
    ("cyd", "03-31 23:59:59.999", "purchase", f"{SHOP}/thanks", None, "DE"),
    ("dan", "02-29 23:59:59.999", "purchase", f"{SHOP}/thanks", "https://www.google.com/", "DE"),
    ("dan", "04-01 00:00:00.000", "purchase", f"{SHOP}/thanks", "https://www.google.com/", "DE"),
]  # fmt: skip
PAGE_VIEWS = [  # start and seconds of the window, page, views, users
    ("02-29 23:59", 60, "/a", 7, ["fay"]),
    ("03-01 00:00", 60, "/a", 1, ["ada"]),
    ("03-17 00:00", 60, "/a", 3, ["ada", "bob"]),
    ("03-17 23:59", 60, "/a", 2, ["bob", "cyd"]),
    ("03-17 23:59", 60, "/b", 5, ["bob"]),
    ("03-17 00:00", 3600, "/a", 3, ["ada", "bob"]),
    ("03-31 23:59", 60, "/b", 1, ["dan"]),
    ("03-31 23:59", 60, "/c", 1, []),
    ("04-01 00:00", 60, "/a", 7, ["fay"]),
]
QUARANTINED = [  # source, reasons, day of arrival, row, whether it is replayed
    ("events", ["empty", "not_utf8"], "03-17", "b", True),
    ("events", ["empty"], "03-01", "a", False),
    ("clickstream", ["empty"], "03-18", "c" * 41, False),
    ("page_views", ["not_a_view"], "03-17", "d", False),
    ("session_events", ["user_id_missing"], "03-17", "e", False),
    ("live_sessions", ["user_id_missing"], "03-17", "f", False),
    ("events", ["empty"], "02-29", "long ago", False),
]

QUERIES = {  # name -> rows
    "events_per_type": [
        ("order", 24, 22, 1, MARCH("09"), MARCH("11")),
        ("signup", 22, 22, 1, MARCH("10"), MARCH("10")),
        ("cart", 10, 9, 1, MARCH("01"), MARCH("31")),
        ("product", 10, 8, 1, MARCH("01"), MARCH("31")),
        ("payment", 6, 4, 1, MARCH("01"), MARCH("31")),
        ("checkout", 4, 4, 1, MARCH("01"), MARCH("31")),
        ("click", 1, 0, 0, MARCH("17"), MARCH("17")),
        ("login", 1, 1, 1, MARCH("23"), MARCH("23")),
        ("video", 1, 0, 0, MARCH("24"), MARCH("24")),
        ("wish", 1, 0, 0, MARCH("24"), MARCH("24")),  # <- zoom is the eleventh
    ],
    "first_and_last_touch": [
        ("(none)", 1, 1),
        ("com.example.mail", 0, 1),
        ("late.example", 0, 1),  # <- after ada's first purchase, before the second
        ("t.co", 0, 1),
        ("www.google.com", 2, 0),
        ("old.example", 1, 0),
    ],
    "funnel_of_users": [
        (1, "product", 8, 1.0, None),
        (2, "cart", 5, 0.625, 0.625),  # <- ann, ben, dot, fox, and kim after exactly 7 days
        (3, "checkout", 3, 0.375, 0.6),  # <- ann, dot, and fox within 7 days of the second product
        (4, "payment", 2, 0.25, 0.667),
    ],
    "payload_fields": [
        ("EUR", 4, 3, 1, 31.3, 10.43),
        ("USD", 1, 1, 1, None, None),
        (None, 1, 1, 0, 3.33, 3.33),
    ],
    "quarantined_per_reason": [
        ("events", "empty", 2, MARCH("01"), "a"),
        ("clickstream", "empty", 1, MARCH("18"), "c" * 40),
        ("events", "not_utf8", 1, MARCH("17"), "b"),
        ("live_sessions", "user_id_missing", 1, MARCH("17"), "f"),
        ("page_views", "not_a_view", 1, MARCH("17"), "d"),
        ("session_events", "user_id_missing", 1, MARCH("17"), "e"),
    ],
    "retention_per_week": [
        (MARCH("04"), 3, 0, 3, 1.0),  # <- ada, bob, cyd
        (MARCH("04"), 3, 1, 1, 0.333),  # <- ada
        (MARCH("04"), 3, 2, 0, 0.0),
        (MARCH("04"), 3, 3, 2, 0.667),  # <- bob, cyd
        (MARCH("11"), 1, 0, 1, 1.0),  # <- dan; eve was there before
        (MARCH("11"), 1, 1, 0, 0.0),
        (MARCH("11"), 1, 2, 1, 1.0),
        (MARCH("25"), 1, 0, 1, 1.0),  # <- fay; gus is of April
    ],
    "sessions_per_hour": [
        (MARCH("25 01:00 +01:00"), 1, 1),
        (MARCH("26 13:00 +01:00"), 1, 1),
        (MARCH("27 13:00 +01:00"), 1, 1),
        (MARCH("28 13:00 +01:00"), 1, 1),
        (MARCH("30 23:00 +01:00"), 1, 1),
        (MARCH("31 00:00 +01:00"), 1, 1),
        (MARCH("31 01:00 +01:00"), 1, 1),
        (MARCH("31 03:00 +02:00"), 3, 2),
        (MARCH("31 23:00 +02:00"), 1, 1),
    ],
    "time_between_events": [(22, 20, 60.0, 3600.0)],
    "top_paths": [
        ("/ > /p > /cart", 2, 0.333),
        ("/cart", 2, 0.333),
        ("/x > /y", 1, 0.167),
        ("x > y > x > y > z", 1, 0.167),
    ],
    "users_per_page": [("/a", 6, 3), ("/b", 6, 2), ("/c", 1, 0)],
    "visitors_per_country": [
        (MARCH("17"), 1, "DE", 2, 3, 1),
        (MARCH("17"), 2, "BR", 1, 1, 1),
        (MARCH("17"), 3, "FR", 1, 1, 1),
        (MARCH("17"), 4, "JP", 1, 1, 1),
        (MARCH("17"), 5, "MX", 1, 1, 1),  # <- US is the sixth
        (MARCH("18"), 1, "FR", 1, 1, 1),
        (MARCH("20"), 1, "DE", 1, 1, 1),
        (MARCH("21"), 1, "DE", 2, 5, 3),
        (MARCH("22"), 1, "DE", 1, 1, 1),
        (MARCH("31"), 1, "DE", 1, 1, 1),
    ],
    "weekly_active_users": [
        (MARCH("04"), 3, 0.7, 0.238),  # <- 5 days of users in 7
        (MARCH("11"), 4, 0.6, 0.143),
        (MARCH("25"), 6, 1.0, 0.167),
    ],
}
USAGES = {  # file -> the rows of each statement that its header shows
    "clickstream": [[("BR", 1), ("DE", 2), ("FR", 1), ("JP", 1), ("MX", 1), ("US", 1)], []],
    "events": [[("click", 1), ("login", 1)]],
    "page_counts": [[(2, 10)], [(MARCH("17"), 3)]],
    "quarantine": [
        [
            ("clickstream", "empty", 1),
            ("live_sessions", "user_id_missing", 1),
            ("page_views", "not_a_view", 1),
            ("session_events", "user_id_missing", 1),
        ]
    ],
    "session_events": [
        [
            ("ada-4", MARCH("17 23:59:59.999000"), "/"),
            ("ada-4", MARCH("18 00:00:00.000000"), "/p?a=1"),
            ("ada-4", MARCH("18 00:10:00.000000"), None),
            ("ada-4", MARCH("18 00:30:00.000000"), "/p?a=2"),
            ("ada-4", MARCH("18 01:00:00.499000"), "/cart"),
        ]
    ],
    "sessions": [[(MARCH("17"), 2, 3600.25)]],
    "funnel": [[(MARCH("17"), 1, 0, 0, 0), (MARCH("19"), 6, 5, 3, 1)]],
    "sessions_per_day": [
        [
            (MARCH("17"), 2, 2, 7, 3600.3, 0.0),
            *((MARCH(day), 1, 1, 1, 0.0, 1.0) for day in (25, 26, 27, 28)),
            (MARCH("30"), 2, 1, 2, 0.0, 1.0),
            (MARCH("31"), 6, 2, 6, 0.0, 1.0),
            ("2024-04-01", 2, 2, 2, 0.0, 1.0),
            ("2024-10-27", 2, 1, 2, 0.0, 1.0),
        ]
    ],
    "top_entry_pages": [[(MARCH("17"), 1, "/", 2, 0.0)]],
}
EMPTY = {  # what is not simply without rows where there are no data
    "funnel_of_users": [(step, name, 0, None, None) for step, name, *_ in QUERIES["funnel_of_users"]],
    "time_between_events": [(0, 0, None, None)],
}
FILES = {path.stem: path.read_text() for path in ddl.FOLDER.glob("*/*.sql")}


@pytest.fixture(scope="module")
def ask(spark, athena, lake_of_run):
    """Fill the tables, and give what answers a statement over them: decimals and doubles are numbers."""
    folder = lake_of_run / "clickstream"
    shutil.rmtree(folder, ignore_errors=True)
    tables = list(fill(spark, str(folder)))
    yield lambda sql: [tuple(map(number, row)) for row in athena(sql)]
    for table in tables:
        spark.sql(f"delete from {table}")
    shutil.rmtree(folder)


def fill(spark, folder: str) -> Iterator[str]:
    """Write all rows into the tables of the lake; name the Iceberg tables."""
    sessions = [
        {"session_key": f"{user}-{number}", "session_id": f"{user}-{number}", "session_number": number,
         "user_id": user, "started_at": at(started), "session_date": at(started).date(), "entry_page": page,
         "duration_seconds": seconds, "event_count": events, "is_bounce": is_bounce}
        for user, number, started, (page, seconds, events, is_bounce) in SESSIONS
    ]  # fmt: skip
    session_events = [
        {"session_key": key, "event_uuid": f"{number:03}", "event_time": at(time), "event_type": kind, "page": page,
         "session_date": at(day).date()}
        for number, (key, day, kind, time, page) in enumerate(SESSION_EVENTS)
    ]  # fmt: skip
    events = [event(*row) for row in EVENTS]
    counts = [
        {"window_start": at(start), "window_seconds": seconds, "page": page, "views": views,
         "users_sketch": bytearray(sketch(users)), "window_date": at(start).date()}
        for start, seconds, page, views, users in PAGE_VIEWS
    ]  # fmt: skip
    quarantined = [
        {"source": source, "reasons": reasons, "raw": raw, "arrived_date": at(day).date(),
         "replayed_at": at(day) if is_replayed else None}
        for source, reasons, day, raw, is_replayed in QUARANTINED
    ]  # fmt: skip
    visits = [
        {"user_id": user, "event_time": at(time), "event_type": kind, "page_url": page, "referrer_url": referrer,
         "country": country, "event_date": at(time).date()}
        for user, time, kind, page, referrer, country in VISITS
    ]  # fmt: skip
    frame(spark, visits, schemas.CLICKSTREAM).write.partitionBy("event_date").parquet(folder)
    for table, rows, contract in [
        ("sessions", sessions, schemas.SESSIONS),
        ("session_events", session_events, schemas.SESSION_EVENTS),
        ("events", events, schemas.EVENTS),
        ("page_counts", counts, schemas.PAGE_COUNTS),
        ("quarantine", quarantined, schemas.QUARANTINE),
    ]:
        frame(spark, rows, contract).coalesce(1).sortWithinPartitions(*contract.partitions).writeTo(table).append()
        yield table


def event(user: str | None, kind: str, time: str | datetime) -> dict:
    moment = at(time) if isinstance(time, str) else time
    milliseconds = (moment - datetime.fromisoformat("1970-01-01")) // timedelta(milliseconds=1)
    payload = PAYLOADS[user, moment] if kind == "payment" else "{}"
    return {"user_id": user, "event_type": kind, "event_subtype": user and kind, "created_ts": moment,
            "created_at": milliseconds, "created_date": moment.date(), "payload": payload}  # fmt: skip


def sketch(users: list[str]) -> bytes:
    """Sketch users as the job does."""
    entries = hyperloglog.entries(hyperloglog.hashes(pa.array(users, pa.string())))
    (made,), _ = hyperloglog.sketch_entries(np.zeros(len(entries), np.int64), entries, 1)
    return made


def frame(spark, rows: list[dict], contract: schemas.Contract):
    whole = [tuple(row.get(name) for name in contract.names) for row in rows]
    return spark.createDataFrame(whole, contract.columns)


def number(value):
    """Return a number for the text in which a decimal or a double comes."""
    return float(value) if re.fullmatch(r"-?\d+\.\d+(E\d+)?", str(value)) else value


def usages(header: str) -> list[str]:
    """Return the statements that a header shows."""
    shown = re.findall(r"((?:^--   .*\n)+)", header, re.MULTILINE)
    return [re.sub(r"^--   ", "", text, flags=re.MULTILINE) for text in shown]


def files(folder: str) -> set[str]:
    return {path.stem for path in ddl.FOLDER.glob(f"{folder}/*.sql")}


def test_every_file_has_answers():
    assert files("queries") == set(QUERIES)
    assert files("tables") | files("views") == set(USAGES)
    assert {name: len(usages(FILES[name])) for name in USAGES} == {name: len(rows) for name, rows in USAGES.items()}


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_answer_of_a_query(ask, name):
    assert ask(FILES[name]) == QUERIES[name]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_days_without_data(ask, name):
    """Nothing, or zeros; no error and no NaN."""
    assert ask(re.sub("DATE '2024-", "DATE '2034-", FILES[name])) == EMPTY.get(name, [])


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_days_decide_what_is_read(ask, name):
    """The engine turns them into a range of the table's partitions, before it reads."""
    ((plan,),) = ask(f"explain (type io, format json)\n{FILES[name]}")
    for table in json.loads(plan)["inputTableColumnInfos"]:
        limited = [column["columnName"] for column in table["constraint"]["columnConstraints"]]
        assert [name for name in limited if name.endswith("_date")]


@pytest.mark.parametrize("name", sorted(USAGES))
def test_what_a_header_shows(ask, name):
    for usage, expected in zip(usages(FILES[name]), USAGES[name], strict=True):
        ordered = "order by" in usage
        assert (ask(usage) if ordered else sorted(ask(usage))) == expected


def test_rates_of_a_third(ask):
    days = "where session_date between date '2024-03-04' and date '2024-03-09'"
    assert ask(f"select * from sessions_per_day {days} order by session_date") == [
        (MARCH("04"), 3, 2, 6, 3.7, 0.333),
        (MARCH("05"), 4, 2, 6, 1.8, 0.5),
    ]
    assert ask(f"select * from top_entry_pages {days} order by session_date, place") == [
        (MARCH("04"), 1, "/", 2, 0.5),
        (MARCH("04"), 2, "/cart", 1, 0.0),
        (MARCH("05"), 1, "/p", 3, 0.333),
    ]


def test_an_hour_that_is_there_twice(ask):
    autumn = re.sub(r"2024-03-\d\d", "2024-10-27", FILES["sessions_per_hour"])
    assert ask(autumn) == [("2024-10-27 02:00 +02:00", 1, 1), ("2024-10-27 02:00 +01:00", 1, 1)]


@pytest.mark.parametrize("name", sorted(ddl.views()))
def test_a_view_says_what_it_is_and_how_to_use_it(name):
    text = FILES[name]
    assert text.startswith("-- One row: ")
    assert f"-- Usage:\n--   select * from {name} where session_date" in text
    assert f"CREATE OR REPLACE VIEW {name} AS" in text


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_says_what_it_answers_and_what_to_change(name):
    header = FILES[name].partition("\nWITH ")[0].partition("\nSELECT")[0].splitlines()
    assert all(line.startswith("-- ") for line in header)
    assert header[1].startswith("-- One row: ")
    assert re.search(r"^-- Reads \w+\. Parameters: ", "\n".join(header), re.MULTILINE)
    assert ";" not in FILES[name]  # where a console may cut it
