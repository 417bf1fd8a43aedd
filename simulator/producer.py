"""The producers: one shape's rows, disordered, of days or as they happen, as an iterator or as an archive."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from simulator import archive
from simulator.activity import activity
from simulator.clicks import AppClicks, WebClicks
from simulator.clock import SECOND
from simulator.delivery import Arrival, disordered
from simulator.events import Events
from simulator.expected import Truth
from simulator.formats import Shape
from simulator.live import Live
from simulator.options import Options
from simulator.page_transitions import PageTransitions
from simulator.visits import Visits

SHAPES: dict[str, type[Shape]] = {
    "events": Events,
    "clicks": WebClicks,
    "app_clicks": AppClicks,
    "visits": Visits,
    "page_transitions": PageTransitions,
}


def arrivals(shape: str, options: Options, truth: Truth | None = None) -> Iterator[Arrival]:
    """Give (arrival in Unix ms, partition key, line) in order of arrival; ``truth`` is complete when they end."""
    return disordered(SHAPES[shape](options), activity(options), options, truth or Truth())


def live_arrivals(shape: str, options: Options, live: Live, truth: Truth | None = None) -> Iterator[Arrival]:
    """Give the same for rows that happen one after another from ``live.begin`` on, other rows for every beginning."""
    options = replace(options, rows=live.rate * live.seconds, seed=options.seed + live.begin)
    moments = live.paced(activity(options, live.begin, live.seconds * SECOND))
    return disordered(SHAPES[shape](options), moments, options, truth or Truth())


def produce(
    shape: str, out: Path, options: Options | None = None, report: Callable[[Path, int], None] | None = None
) -> Truth:
    """Write the archive into ``out``, ``_expected_counts.json`` last; ``report`` hears of each file and its number of lines."""
    options, truth = options or Options(), Truth()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not an empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    for path, lines in archive.write(arrivals(shape, options, truth), out, SHAPES[shape].suffix, options):
        if report:
            report(path, lines)
    made = {"shape": shape, "options": asdict(options), **truth.as_dict()}
    (out / "_expected_counts.json").write_text(json.dumps(made, indent=2, default=str) + "\n", encoding="utf-8")
    return truth
