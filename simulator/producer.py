"""Rows of one format in order of arrival: of past days or live, as an iterator or as an archive."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from simulator import archive
from simulator.activity import activity
from simulator.clicks import AppClicks, WebClicks
from simulator.clock import SECOND
from simulator.delivery import Arrival, deliver
from simulator.events import Events
from simulator.expected import ExpectedCounts
from simulator.formats import Format
from simulator.live import Live
from simulator.options import Options
from simulator.page_transitions import PageTransitions
from simulator.visits import Visits

FORMATS: dict[str, type[Format]] = {
    "events": Events,
    "clicks": WebClicks,
    "app_clicks": AppClicks,
    "visits": Visits,
    "page_transitions": PageTransitions,
}


def arrivals(format_name: str, options: Options, expected: ExpectedCounts | None = None) -> Iterator[Arrival]:
    """Yield (arrival in Unix ms, partition key, line) in order of arrival.

    ``expected`` is counted up meanwhile, and complete when the rows end.
    """
    return deliver(FORMATS[format_name](options), activity(options), options, expected or ExpectedCounts())


def live_arrivals(
    format_name: str, options: Options, live: Live, expected: ExpectedCounts | None = None
) -> Iterator[Arrival]:
    """Yield ``live.rate`` rows a second from ``live.begin`` on; each beginning gives other rows, of the same users."""
    of_now = replace(options, rows=live.rate * live.seconds, seed=options.seed + live.begin)
    row_format = FORMATS[format_name].live(of_now, options.seed)
    moments = live.paced(activity(of_now, live.begin, live.seconds * SECOND))
    return deliver(row_format, moments, of_now, expected or ExpectedCounts())


def produce(
    format_name: str,
    out: Path,
    options: Options | None = None,
    on_file: Callable[[Path, int], None] | None = None,
) -> ExpectedCounts:
    """Write the archive into ``out``, ``_expected_counts.json`` last.

    ``on_file`` is called with each file and its number of lines.
    """
    options, expected = options or Options(), ExpectedCounts()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not an empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    for path, lines in archive.write(
        arrivals(format_name, options, expected), out, FORMATS[format_name].suffix, options
    ):
        if on_file:
            on_file(path, lines)
    summary = {"format": format_name, "options": asdict(options), **expected.as_dict()}
    (out / "_expected_counts.json").write_text(json.dumps(summary, indent=2, default=str) + "\n", encoding="utf-8")
    return expected
