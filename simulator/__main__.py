"""``python -m simulator events --out DIR``: write a raw archive; ``--stream NAME``: put rows of now into Kinesis."""

import argparse
import dataclasses
import sys
import time
from datetime import date
from pathlib import Path

from clickstream.errors import PutError
from simulator.clock import SECOND
from simulator.expected import Truth
from simulator.live import Live
from simulator.options import Options
from simulator.producer import SHAPES, live_arrivals, produce

OF_ARCHIVES = ("rows", "start", "days", "rows_per_file", "gzip")
OF_STREAMS = ("rate", "seconds")


def day(text: str) -> date:
    """Read YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a day as YYYY-MM-DD."
        raise argparse.ArgumentTypeError(message) from None


def parser() -> argparse.ArgumentParser:
    """One option per field of ``Options``."""
    made = argparse.ArgumentParser(
        prog="simulator",
        usage="python -m simulator SHAPE (--out DIR | --stream NAME) [options]",
        description="Write a raw archive of made-up rows, the same for the same seed and options; or put rows that"
        " happen now into a Kinesis stream, which the AWS SDK finds by its usual settings.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("shape", choices=SHAPES)
    where = made.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="DIR", help="folder to make the archive in")
    where.add_argument("--stream", metavar="NAME", help="stream to put the rows into; the user is the partition key")
    made.add_argument("--rate", type=int, default=Live.rate, metavar="N", help="rows a second (--stream)")
    made.add_argument("--seconds", type=int, default=Live.seconds, metavar="N", help="how long (--stream)")
    for field in dataclasses.fields(Options):
        name, text = f"--{field.name}", field.metadata["help"]
        if isinstance(field.default, bool):
            made.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default, help=text)
        else:
            kind = day if isinstance(field.default, date) else type(field.default)
            made.add_argument(name, type=kind, default=field.default, help=text, metavar="DAY" if kind is day else "N")
    return made


class Progress:
    """Says on stderr how many lines each day of arrival got."""

    def __init__(self) -> None:
        """Begin before the first day."""
        self.day = ""
        self.lines = 0

    def report(self, path: Path, lines: int) -> None:
        """Count a file."""
        if path.parts[-3] != self.day:
            self.finish_day()
            self.day, self.lines = path.parts[-3], 0
        self.lines += lines

    def finish_day(self) -> None:
        """Print the day."""
        if self.lines:
            print(f"{self.day}: {self.lines:,} lines", file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    """Write what the arguments ask for."""
    command_line = parser()
    given = vars(command_line.parse_args(arguments))
    for name in OF_STREAMS if given["out"] else OF_ARCHIVES:
        if given[name] != command_line.get_default(name):
            command_line.error(f"--{name} says nothing about {'an archive' if given['out'] else 'a stream'}.")
    shape, out, stream = (given.pop(name) for name in ("shape", "out", "stream"))
    rate, seconds = (given.pop(name) for name in OF_STREAMS)
    try:
        options, live = Options(**given), Live(int(time.time() * SECOND), rate, seconds)
    except ValueError as error:
        command_line.error(str(error))
    if out:
        try:
            truth = archive(shape, out, options)
        except FileExistsError as error:
            command_line.error(str(error))
    else:
        truth = feed(shape, stream, options, live)
    print(
        f"{out or stream}: {truth.lines:,} lines = {truth.distinct:,} distinct + {truth.duplicates:,} duplicates"
        f" + {truth.conflicts:,} conflicts + {truth.malformed:,} malformed; {truth.late:,} late, {truth.bots:,} by bots"
    )


def archive(shape: str, out: Path, options: Options) -> Truth:
    """Write the archive."""
    progress = Progress()
    truth = produce(shape, out, options, progress.report)
    progress.finish_day()
    return truth


def feed(shape: str, stream: str, options: Options, live: Live) -> Truth:
    """Put the rows; end the program in one sentence where AWS does not take them."""
    import boto3  # noqa: PLC0415  # an archive does without
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from simulator.stream import send  # noqa: PLC0415

    truth, lines = Truth(), 0
    try:
        for put in send(boto3.client("kinesis"), stream, live_arrivals(shape, options, live, truth), live.end):
            lines += put
            print(f"\r{stream}: {lines:,} lines", end="", file=sys.stderr, flush=True)
    except (PutError, BotoCoreError, ClientError) as error:
        sys.exit(f"simulator: {error}")
    finally:
        if lines:
            print(file=sys.stderr)
    return truth


if __name__ == "__main__":
    main()
