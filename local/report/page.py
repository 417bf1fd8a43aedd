"""From a lake's tables to one file of HTML, which needs nothing else: no server, no network."""

import base64
import hashlib
import html
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import altair as alt
import vl_convert

from deploy import ddl
from local import files
from local.athena import formats, query
from local.athena.client import Answer
from local.report.sections import OURS, SECTIONS, Chart, Section

FOLDER = Path(__file__).parent
ZONE = "'Europe/Berlin'"  # of sessions_per_hour.sql; the report is in UTC
Answered = tuple[Section, str, Answer]  # with the text of the query as it was put


class ReportError(Exception):
    """There is no report; the message is one sentence."""


def write(lake: Path | str, out: Path | None) -> int:
    """Write the report of a lake; return 0 only if it is there."""
    try:
        place = check(lake, out)
        put(place, render(lake, ask(lake)))
    except (*query.ERRORS, ReportError) as error:
        logging.getLogger(__name__).debug("report: where it failed", exc_info=True)
        print(f"report: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    print(place)
    return 0


def check(lake: Path | str, out: Path | None) -> Path:
    """Return where the report goes, or raise ``ReportError`` before anything is asked."""
    if out is None:
        if isinstance(lake, str):
            raise ReportError(f"{lake} is no folder; give --out FILE")
        return lake / "report.html"
    if not out.parent.is_dir():
        raise ReportError(f"there is no folder {out.parent}; make it, or give another --out")
    if out.is_dir():
        raise ReportError(f"{out} is a folder; give --out the name of a file")
    return out


def put(place: Path, page: str) -> None:
    """Write the page; raise ``ReportError`` where that cannot be."""
    try:
        files.replace(place, page)
    except OSError as error:
        raise ReportError(f"{place} cannot be written: {error.strerror}") from error


def ask(lake: Path | str) -> list[Answered]:
    """Put the query of each section, for the days that there are."""
    days = {name: (first, last) for name, first, last in query.ask(lake, (OURS / "days.sql").read_text()).rows}
    texts = [section.query.read_text().replace(ZONE, "'UTC'") for section in SECTIONS]
    queries = [
        ddl.with_days(text, *days[section.table]) if days[section.table][0] else text  # an empty table has no days
        for section, text in zip(SECTIONS, texts, strict=True)
    ]
    return [(section, text, query.ask(lake, text)) for section, text in zip(SECTIONS, queries, strict=True)]


def render(lake: Path | str, answered: list[Answered]) -> str:
    """Return the page. Its policy lets only its own script run, and nothing be fetched."""
    version = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]  # of Vega-Lite
    script = vl_convert.javascript_bundle((FOLDER / "page.js").read_text(), version)
    return Template((FOLDER / "page.html").read_text()).substitute(
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        lake=html.escape(str(lake)),
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        sections="".join(render_section(*each) for each in answered),
        script=script,
    )


def render_section(section: Section, text: str, answer: Answer) -> str:
    """Return a section: charts, or the sentence in their place, and the query behind them."""
    rows = records(answer)
    is_empty = not any(row[section.measure] for row in rows)
    shown = "" if is_empty else "".join(render_chart(chart, rows) for chart in section.charts)
    return Template((FOLDER / "section.html").read_text()).substitute(
        title=html.escape(section.title),
        text=html.escape(section.text),
        pictures=shown or f'<p class="nothing">{html.escape(section.if_empty)}</p>',
        query=html.escape(text.strip()),
        rows=render_table(answer) if rows else "",
    )


def render_chart(chart: Chart, rows: list[dict[str, Any]]) -> str:
    """Return a figure: its specification, which page.js draws. No ``<`` in it ends the element that it stands in."""
    spec = chart({"values": rows}).properties(width="container").to_dict()
    del spec["config"]  # page.js has the reader's colours
    described = json.dumps(spec, ensure_ascii=False).replace("<", "\\u003c")
    return f'<figure><div class="picture"></div><script type="application/json">{described}</script></figure>'


def records(answer: Answer) -> list[dict[str, Any]]:
    """Return rows as the charts take them: numbers as such, the rest as text."""
    kinds = {column["name"]: column["typeSignature"] for column in answer.columns}
    return [
        {name: json.loads(formats.as_json(kind, value)) for (name, kind), value in zip(kinds.items(), row, strict=True)}
        for row in answer.rows
    ]


def render_table(answer: Answer) -> str:
    """Return the answer as a table."""
    names, *rows = formats.texts(answer)
    body = "".join(f"<tr>{render_cells('td', row)}</tr>\n" for row in rows)
    head = f"<thead><tr>{render_cells('th', names)}</tr></thead>"
    return f'<div class="rows"><table>{head}<tbody>\n{body}</tbody></table></div>'


def render_cells(element: str, row: list[str | None]) -> str:
    """Return a row's cells; a null is empty."""
    return "".join(f"<{element}>{html.escape(value or '')}</{element}>" for value in row)
