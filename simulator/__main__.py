"""``python -m simulator events --out DIR`` writes a raw archive; ``--stream NAME`` puts rows of now into Kinesis."""

import argparse
import dataclasses
import logging
import sys
import time
from datetime import date
from pathlib import Path

from clickstream.errors import PutError
from simulator.clock import SECOND
from simulator.expected import ExpectedCounts
from simulator.live import Live
from simulator.options import Options
from simulator.producer import FORMATS, live_arrivals, produce

ARCHIVE_OPTIONS = ("rows", "start", "days", "rows_per_file", "gzip")
STREAM_OPTIONS = ("rate", "seconds")
REPORT_SECONDS = 5

logger = logging.getLogger("simulator")


def day(text: str) -> date:
    """Parse YYYY-MM-DD, with argparse's own kind of error."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a day as YYYY-MM-DD."
        raise argparse.ArgumentTypeError(message) from None


def parser() -> argparse.ArgumentParser:
    """Build the command line: one option per field of ``Options``."""
    command_line = argparse.ArgumentParser(
        prog="simulator",
        usage="python -m simulator FORMAT (--out DIR | --stream NAME) [options]",
        description="Write a raw archive of made-up rows, the same for the same seed and options; or put rows that"
        " happen now into a Kinesis stream, which the AWS SDK finds by its usual settings.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = command_line.add_argument
    add("format", choices=FORMATS)
    target = command_line.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="DIR", help="folder to write the archive to")
    target.add_argument("--stream", metavar="NAME", help="stream to put the rows into; the user is the partition key")
    add("--rate", type=int, default=Live.rate, metavar="N", help="rows a second (--stream)")
    add("--seconds", type=int, default=Live.seconds, metavar="N", help="how long (--stream)")
    for field in dataclasses.fields(Options):
        name, text = f"--{field.name}", field.metadata["help"]
        if isinstance(field.default, bool):
            add(name, action=argparse.BooleanOptionalAction, default=field.default, help=text)
        elif isinstance(field.default, date):
            add(name, type=day, default=field.default, help=text, metavar="DAY")
        else:
            add(name, type=type(field.default), default=field.default, help=text, metavar="N")
    return command_line


class Progress:
    """Logs how many lines arrive on each day."""

    def __init__(self) -> None:
        self.day = ""
        self.lines = 0

    def add_file(self, path: Path, lines: int) -> None:
        day = path.parts[-3]
        if day != self.day:
            self.finish_day()
            self.day, self.lines = day, 0
        self.lines += lines

    def finish_day(self) -> None:
        if self.lines:
            logger.info("%s: %s lines", self.day, f"{self.lines:,}")


def main(arguments: list[str] | None = None) -> None:
    """Write the archive or feed the stream, then print the expected counts."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    command_line = parser()
    given = vars(command_line.parse_args(arguments))
    for name in STREAM_OPTIONS if given["out"] else ARCHIVE_OPTIONS:
        if given[name] != command_line.get_default(name):
            command_line.error(f"--{name} does not apply to {'an archive' if given['out'] else 'a stream'}.")
    format_name, out, stream = (given.pop(name) for name in ("format", "out", "stream"))
    rate, seconds = (given.pop(name) for name in STREAM_OPTIONS)
    try:
        options, live = Options(**given), Live(int(time.time() * SECOND), rate, seconds)
    except ValueError as error:
        command_line.error(str(error))
    if out:
        try:
            expected = archive(format_name, out, options)
        except FileExistsError as error:
            command_line.error(str(error))
    else:
        expected = feed(format_name, stream, options, live)
    print(
        f"{out or stream}: {expected.lines:,} lines = {expected.distinct:,} distinct"
        f" + {expected.duplicates:,} duplicates + {expected.conflicts:,} conflicts + {expected.malformed:,} malformed;"
        f" {expected.late:,} late, {expected.bots:,} by bots"
    )


def archive(format_name: str, out: Path, options: Options) -> ExpectedCounts:
    """Write the archive, logging each day of arrival."""
    progress = Progress()
    expected = produce(format_name, out, options, progress.add_file)
    progress.finish_day()
    return expected


def feed(format_name: str, stream: str, options: Options, live: Live) -> ExpectedCounts:
    """Put the rows into the stream; an error of AWS ends the program with its message alone."""
    import boto3  # noqa: PLC0415  # an archive does without
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from simulator.stream import send  # noqa: PLC0415

    expected, lines, reported_at = ExpectedCounts(), 0, time.monotonic()
    try:
        for put in send(boto3.client("kinesis"), stream, live_arrivals(format_name, options, live, expected), live.end):
            lines += put
            if time.monotonic() - reported_at >= REPORT_SECONDS:
                logger.info("%s: %s lines so far", stream, f"{lines:,}")
                reported_at = time.monotonic()
    except (PutError, BotoCoreError, ClientError) as error:
        sys.exit(f"simulator: {error}")
    return expected


if __name__ == "__main__":
    main()
