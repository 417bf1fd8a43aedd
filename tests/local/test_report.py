"""The report: what stands on the page is what the queries answer, and a browser without a network shows it."""

import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from deploy import ddl
from local.athena import formats, query
from local.athena.client import Answer
from local.report import page
from local.report.sections import OURS, SECTIONS

pytestmark = pytest.mark.single

ROOT = Path(__file__).parent.parent.parent
HOSTILE = "</script><script>hacked = 1</script><img src=x onerror='hacked = 1'>\n\"&lt;'<!--\u2028"
EVENTS = [
    ("a", "product", "ada", "2024-03-18 00:00:00.000", "2024-03-18 00:00:00"),
    ("b", "cart", "ada", "2024-03-18 23:59:59.999", "2024-03-19 00:00:00"),  # <- in the next hour
    ("c", "product", "bob", "2024-03-19 10:59:59.999", "2024-03-20 09:00:00"),  # <- 23 hours later
    ("d", HOSTILE, "cyd", "2024-03-19 11:00:00.000", "2024-03-20 11:00:00"),  # <- 24
    ("d", HOSTILE, "cyd", "2024-03-20 12:00:00.000", "2024-03-20 11:00:00"),  # <- by a clock that is ahead; the same d
    ("e", "product", "dan", "2024-02-19 00:00:00.000", "2024-02-19 00:00:00"),  # <- the first instant of five weeks
    ("f", "product", "eve", "2024-02-18 23:59:59.999", "2024-02-18 23:00:00"),  # <- the last before
    *[(f"type{n}", f"type{n}", None, "2024-02-20 01:00:00.000", "2024-02-20 01:00:00") for n in range(1, 7)],
]
SESSIONS = [
    ("ada", 1, "2024-03-11 00:00:00.000", 3, 10.0, "/?q=1#x", False),
    ("ada", 2, "2024-03-18 23:59:59.999", 2, 5.0, "/#top?", False),
    ("bob", 1, "2024-03-18 05:30:00.000", 1, 0.0, HOSTILE, True),
    ("cyd", 1, "2024-03-18 05:00:00.000", 2, 1.0, "/", False),
]
QUARANTINE = [
    ("1", ["empty"], HOSTILE, "kinesis:events@1", "2024-03-18 00:00:00.000", "2024-03-18 00:00:10.000", "events"),
    ("2", ["empty"], "x", "kinesis:events@2", "2024-03-18 00:00:00.000", "2024-03-18 00:00:20.000", "events"),
    ("3", ["empty"], "x", "kinesis:events@3", "2024-03-17 00:00:00.500", "2024-03-17 00:00:31.000", "events"),
    ("4", ["late"], "x", "file:/raw", "2023-01-01 00:00:00.000", "2024-03-17 00:00:31.000", "page_views"),
]
TABLES = {  # what their rows have, the day of a row, the rows
    "events": (
        "event_uuid string, event_type string, user_id string, created_ts timestamp_ntz, arrived_at timestamp_ntz",
        "to_date(created_ts) as created_date",
        EVENTS,
    ),
    "sessions": (
        (
            "user_id string, session_number bigint, started_at timestamp_ntz, event_count bigint,"
            " duration_seconds double, entry_page string, is_bounce boolean"
        ),
        "to_date(started_at) as session_date",
        SESSIONS,
    ),
    "quarantine": (
        (
            "quarantine_id string, reasons array<string>, raw string, origin string, arrived_at timestamp_ntz,"
            " quarantined_at timestamp_ntz, source string"
        ),
        "to_date(arrived_at) as arrived_date",
        QUARANTINE,
    ),
}
SHOWN = {  # by title, the rows of its answer
    "Events per day": [
        ("2024-02-19", 1, "product", 1),
        *[("2024-02-20", 3 + n, f"type{n}", 1) for n in range(1, 5)],
        ("2024-02-20", 8, "(all others)", 2),
        ("2024-03-18", 1, "product", 1),
        ("2024-03-18", 3, "cart", 1),
        ("2024-03-19", 1, "product", 1),
        ("2024-03-19", 2, HOSTILE, 1),
        ("2024-03-20", 2, HOSTILE, 1),
    ],
    "Sessions per day": [
        ("2024-03-11", 1, 1, 3, 10.0, 0.0),
        ("2024-03-18", 3, 3, 5, 2.0, 0.333),
    ],
    "Sessions by hour of the day": [
        ("2024-03-11 00:00 +00:00", 1, 1),
        ("2024-03-18 05:00 +00:00", 2, 2),
        ("2024-03-18 23:00 +00:00", 1, 1),
    ],
    "Funnel": [
        (1, "product", 3, 1.0, None),
        (2, "cart", 1, 0.333, 0.333),
        (3, "checkout", 0, 0.0, 0.0),
        (4, "payment", 0, 0.0, None),
    ],
    "Retention": [
        ("2024-03-11", 1, 0, 1, 1.0),
        ("2024-03-11", 1, 1, 1, 1.0),
        ("2024-03-18", 2, 0, 2, 1.0),
    ],
    "Entry pages": [
        ("/", 3, 0.0),
        (HOSTILE, 1, 1.0),
    ],
    "Late events": [
        (1, "before it happened", 1, 0.08333, -1),
        (2, "in the same hour", 8, 0.66667, 0),
        (3, "in the next hour", 1, 0.08333, 1),
        (4, "within 24 hours", 1, 0.08333, 23),
        (5, "later", 1, 0.08333, 24),
    ],
    "Conflicting event_uuids": [
        ("2024-02-19", 1, 0),
        ("2024-02-20", 6, 0),
        ("2024-03-18", 2, 0),
        ("2024-03-19", 2, 0),
        ("2024-03-20", 1, 1),
    ],
    "Quarantined rows": [
        ("events", "empty", 3, "2024-03-17", HOSTILE[:40]),
        ("page_views", "late", 1, "2023-01-01", "x"),
    ],
    "Latency of quarantined records": [
        ("events", 3, 20.0, 30.5),
    ],
}


MEANT = {("p", "nothing"): "nothing", ("script", "application/json"): "json"}


class Page(HTMLParser):
    """What a page holds: its tags, and of each section title, query, data of the pictures, cells and sentence."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sections, self.into = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        if tag == "section":
            self.sections.append({"h2": [], "code": [], "json": [], "td": [], "nothing": []})
        self.into = MEANT.get((tag, *dict(attributes).values()), tag)
        if self.sections and self.into in self.sections[-1]:
            self.sections[-1][self.into].append("")

    def handle_endtag(self, _tag):
        self.into = None

    def handle_data(self, text):
        if self.sections and self.into in self.sections[-1]:
            self.sections[-1][self.into][-1] += text

    def by_title(self, what):
        return {section["h2"][0]: section[what] for section in self.sections}


@pytest.fixture(scope="module")
def pages(athena, spark, lake_of_run, tmp_path_factory):
    """Give the report of empty tables, and that of the rows above."""
    folder = tmp_path_factory.mktemp("report")
    athena("select 1")  # the server runs
    empty(spark)
    assert page.write(lake_of_run, folder / "empty.html") == 0
    for table, (columns, day, rows) in TABLES.items():
        texts = spark.createDataFrame(rows, columns.replace("timestamp_ntz", "string"))
        given = texts.select([texts[column.split()[0]].cast(column.split()[1]) for column in columns.split(", ")])
        given = given.selectExpr("*", day)
        given.createOrReplaceTempView("given")
        spark.sql(f"insert into {table} ({', '.join(given.columns)}) select * from given")
    assert page.write(lake_of_run, folder / "report.html") == 0
    yield folder
    empty(spark)


def empty(spark):
    for table in TABLES:
        spark.sql(f"delete from {table}")


def test_every_section_has_the_rows_that_were_worked_out_by_hand(pages):
    data = Page((pages / "report.html").read_text()).by_title("json")
    for title, rows in SHOWN.items():
        for described in data[title]:
            (values,) = json.loads(described)["datasets"].values()
            assert [tuple(row.values()) for row in values] == rows, title
    assert set(data) == set(SHOWN)
    assert [len(pictures) for pictures in data.values()] == [len(section.charts) for section in SECTIONS]


def test_the_query_beside_a_picture_answers_what_stands_below_it(pages, lake_of_run):
    shown = Page((pages / "report.html").read_text())
    queries, cells = shown.by_title("code"), shown.by_title("td")
    for title, (text,) in queries.items():
        _, *rows = formats.texts(query.ask(lake_of_run, text))
        assert [value or "" for row in rows for value in row] == cells[title]


def test_nothing_that_users_send_becomes_markup(pages):
    hostile = (pages / "report.html").read_text()
    answers = [Answer(answer.columns, [[tamed(v) for v in row] for row in answer.rows]) for answer in answered(hostile)]
    tame = page.render(
        Path("/lake"), [(section, "select", answer) for section, answer in zip(SECTIONS, answers, strict=True)]
    )
    assert Page(hostile).tags == Page(tame).tags
    assert "hacked" not in tame


def tamed(value):
    return "tame" if value in {HOSTILE, HOSTILE[:40]} else value


def answered(text):
    """Return the answers on a page."""
    for title, rows in SHOWN.items():
        (values, *_) = (json.loads(each)["datasets"].values() for each in Page(text).by_title("json")[title])
        columns = [
            {"name": name, "typeSignature": {"rawType": "varchar" if isinstance(value, str) else "double"}}
            for name, value in next(iter(values))[0].items()
        ]
        yield Answer(columns, [list(row) for row in rows])


def test_of_empty_tables_sentences_stand_in_the_pictures_places(pages):
    shown = Page((pages / "empty.html").read_text())
    assert shown.by_title("nothing") == {section.title: [section.if_empty] for section in SECTIONS}
    assert all(not pictures for pictures in shown.by_title("json").values())


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.query.stem)
def test_a_query_names_one_first_and_one_last_day(section):
    days = set(ddl.DAY.findall(section.query.read_text()))
    assert len(days) in {1, 2}
    put = ddl.with_days(section.query.read_text(), "2001-01-01", "2001-02-03")
    assert set(ddl.DAY.findall(put)) <= {"DATE '2001-01-01'", "DATE '2001-02-03'"}
    assert "DATE '2001-01-01'" in put


def test_each_query_of_the_report_is_used():
    assert {path.stem for path in OURS.glob("*.sql")} - {s.query.stem for s in SECTIONS if s.query.parent == OURS} == {
        "days"
    }


@pytest.mark.parametrize(
    ("lake", "out", "sentence"),
    [
        ("none", None, "report: no lake at {folder}/none; run a job first or give --lake DIR\n"),
        ("none", "report.html", "report: no lake at {folder}/none; run a job first or give --lake DIR\n"),
        (
            "none",
            "missing/report.html",
            "report: there is no folder {folder}/missing; make it, or give another --out\n",
        ),
        ("none", ".", "report: {folder} is a folder; give --out the name of a file\n"),
        ("s3://lake", None, "report: s3://lake is no folder; give --out FILE\n"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_no_file(tmp_path, capsys, lake, out, sentence):
    place = lake if lake.startswith("s3:") else tmp_path / lake
    assert page.write(place, out and tmp_path / out) == 1
    assert capsys.readouterr() == ("", sentence.format(folder=tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    place = tmp_path / "report.html"
    page.put(place, "old")
    page.put(place, "new")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(page.ReportError, match=r"report\.html cannot be written: No space left on device"):
        page.put(place, "newer")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "new")]


@pytest.mark.process
def test_the_command_line(tmp_path):
    command = [sys.executable, "-m", "local", "--lake", tmp_path / "none", "report"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"report: no lake at {tmp_path}/none; run a job first or give --lake DIR\n"


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
CUT = """
    () => [...document.querySelectorAll("figure")].flatMap(figure => {
        const box = figure.querySelector("svg").getBoundingClientRect();
        return [...figure.querySelectorAll("svg text")].filter(text => {
            const {left, right, top, bottom, width} = text.getBoundingClientRect();
            return width &&
                (left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1);
        }).map(text => text.textContent);
    })
"""
OVERLAPPING = """
    () => [...document.querySelectorAll("figure")].flatMap(figure => {
        const texts = [...figure.querySelectorAll("svg text")]
            .filter(text => text.textContent.trim() && getComputedStyle(text).opacity > 0)
            .map(text => [text.textContent, text.getBoundingClientRect()]);
        return texts.flatMap(([one, a], number) => texts.slice(number + 1)
            .filter(([_, b]) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
            .map(([other]) => [one, other]));
    })
"""


@pytest.fixture(scope="module")
def browser():
    """Give the Chromium or Chrome of this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip(f"there is none of {', '.join(BROWSERS)} on the PATH: CONTRIBUTING says how to get one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.mark.process
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_without_a_network_draws_every_picture(pages, browser, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        offline=True,
        timezone_id="America/Los_Angeles",  # <- where UTC's midnight is the day before
    )
    shown, errors, requests = context.new_page(), [], []
    shown.on("console", lambda message: errors.append(message.text))
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.on("request", lambda request: requests.append(request.url))
    shown.goto(f"file://{pages / 'report.html'}")
    shown.wait_for_function(
        "() => document.querySelectorAll('figure').length === document.querySelectorAll('svg').length"
    )

    marks = "figures => figures.map(f => f.querySelectorAll('.role-mark path, .role-mark text').length)"
    drawn = shown.eval_on_selector_all("figure", marks)
    assert len(drawn) == sum(len(section.charts) for section in SECTIONS)
    assert min(drawn) > 0
    assert shown.evaluate(CUT) == []
    assert shown.evaluate(OVERLAPPING) == []
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    described = shown.eval_on_selector_all(".mark-rect path", "bars => bars.map(bar => bar.ariaLabel).join()")
    assert "(year-month-date): Feb 19;" in described  # <- the first day of events
    assert "(year-month-date): Feb 18;" not in described
    colours = shown.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert (
        colours
        == (["rgb(255, 255, 255)", "rgb(31, 35, 40)"], ["rgb(20, 24, 29)", "rgb(230, 233, 236)"])[scheme == "dark"]
    )
    shown.locator("figure").nth(0).locator(".mark-rect path").last.hover()
    assert HOSTILE.splitlines()[0] in shown.locator("#vg-tooltip-element").text_content()
    assert shown.evaluate("typeof hacked") == "undefined"
    assert errors == []
    assert requests == [f"file://{pages / 'report.html'}"]
    context.close()
