"""``python -m tools.bench.lambdas``: measure the functions that touch every record beside plain JSON parsing."""

import argparse
import contextlib
import io
import json
import sys
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from lambdas import land_raw, transform
from simulator import Options, arrivals
from tools.bench.report import machine, spread, table

PAGE = Path(__file__).parent / "lambdas.md"
TRANSITION = ("prev", "curr", "type", "n")
KINESIS_BATCH = 500  # records
FIREHOSE_BUFFER = 2**20  # bytes

HOW = """\
## How it was measured

- Records of `simulator` (seed 1, its default shares of duplicates and malformed lines), one line each, in events as
  AWS writes them: `land_raw` gets batches of 500 records, `transform` buffers of 1 MB. Reading the event's own JSON
  and writing the answer's is Lambda's part, and not in the figures.
- The floor is `json.dumps(json.loads(record))` of the same records, without base64 and without an event; a page
  transition is an object with the same four fields. It skips what is not JSON.
- Seconds are of CPU; what the functions print goes nowhere, and S3 takes an object at once.
- The floor and the function take turns in each round, and each round begins with the other one. The figures are
  medians; in brackets the least and the most.
"""

Event = dict[str, Any]


class DiscardingS3:
    """A client that discards all objects."""

    def put_object(self, **_: object) -> None:
        pass


@dataclass(frozen=True)
class Case:
    """A function and its input."""

    name: str
    function: Callable[[Event], object]
    events: Sequence[Event]
    lines: Sequence[bytes]  # the records as JSON, for the floor

    @property
    def records(self) -> int:
        return sum(len(event.get("Records") or event["records"]) for event in self.events)

    def run(self) -> None:
        """Call the function with every event."""
        with contextlib.redirect_stdout(io.StringIO()):
            for event in self.events:
                self.function(event)

    def floor(self) -> None:
        """Parse and serialize every record."""
        for line in self.lines:
            try:
                json.dumps(json.loads(line))
            except ValueError:
                continue


def cases(rows: int) -> Iterator[Case]:
    """Generate the records of each function."""
    s3: Any = DiscardingS3()
    visits, events, transitions = (
        [line for _, _, line in arrivals(format_name, Options(rows=rows))]
        for format_name in ("visits", "events", "page_transitions")
    )
    yield Case(
        "land_raw", lambda event: land_raw.archive(event["Records"], "s3://lake/raw", s3), kinesis(visits), visits
    )
    yield Case("transform.events", lambda event: transform.events(event, None), firehose(events), events)
    objects = [
        json.dumps(dict(zip(TRANSITION, line.decode(errors="replace").split("\t"), strict=False)), ensure_ascii=False)
        for line in transitions
    ]
    yield Case(
        "transform.page_transitions",
        lambda event: transform.page_transitions(event, None),
        firehose(transitions),
        [line.encode() for line in objects],
    )


def kinesis(lines: Sequence[bytes]) -> list[Event]:
    """Return batches of records as Lambda passes them to a function."""
    records = [
        {
            "eventID": f"shardId-000000000000:{number}",
            "kinesis": {
                "sequenceNumber": str(number),
                "approximateArrivalTimestamp": 1_710_673_199.5,
                "data": b64encode(line).decode(),
            },
        }
        for number, line in zip(count(10**55), lines, strict=False)
    ]
    return [{"Records": records[at : at + KINESIS_BATCH]} for at in range(0, len(records), KINESIS_BATCH)]


def firehose(lines: Sequence[bytes]) -> list[Event]:
    """Return buffers of records as Firehose passes them to a function."""
    buffers: list[list[Event]] = [[]]
    size = 0
    for number, line in enumerate(lines):
        if size + len(line) > FIREHOSE_BUFFER:
            buffers.append([])
            size = 0
        size += len(line)
        data = b64encode(line).decode()
        buffers[-1].append({
            "recordId": f"{number:062}",
            "approximateArrivalTimestamp": 1_710_673_199_500,
            "data": data,
        })
    return [{"records": buffer} for buffer in buffers]


def measure(case: Case, rounds: int) -> dict[str, list[float]]:
    """Return the records per CPU second of the function and of the floor, by round."""
    rates: dict[str, list[float]] = defaultdict(list)
    order = [case.run, case.floor]
    for _ in range(rounds):
        for work in order:
            start = time.process_time()
            work()
            rates[work.__name__].append(case.records / (time.process_time() - start))
        order.reverse()
    return rates


def page(rows: list[list[str]], rounds: int, command: str) -> str:
    """Return the page."""
    return "\n".join([
        "# What the Lambdas do with a core\n",
        f"Rounds: {rounds}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}. To repeat it: `{command}`\n",
        table(("function", "records", "records/s", "floor's records/s", "CPU, the floor being 1", "MB/s"), rows),
        HOW,
    ])


def main() -> None:
    """Measure, print the page and write it."""
    command_line = argparse.ArgumentParser(prog="python -m tools.bench.lambdas", description=__doc__)
    command_line.add_argument(
        "--rows", type=int, default=100_000, metavar="N", help="distinct good rows of each format (100000)"
    )
    command_line.add_argument("--rounds", type=int, default=7, metavar="N", help="runs of each (7)")
    command_line.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="the page")
    arguments = command_line.parse_args()
    rows = []
    for case in cases(arguments.rows):
        rates = measure(case, arguments.rounds)
        function, floor = rates["run"], rates["floor"]
        size = sum(map(len, case.lines)) / case.records
        rows.append([
            f"`{case.name}`",
            f"{case.records:,} of {size:.0f} bytes",
            spread(function, ",.0f"),
            spread(floor, ",.0f"),
            f"{median(floor) / median(function):.2f}",
            f"{median(function) * size / 1e6:.0f}",
        ])
    text = page(rows, arguments.rounds, " ".join(["python", "-m", "tools.bench.lambdas", *sys.argv[1:]]))
    print(text)
    arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
