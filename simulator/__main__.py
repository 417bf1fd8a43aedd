"""``python -m simulator events --out DIR``: write a raw archive."""

import argparse
import dataclasses
import sys
from datetime import date
from pathlib import Path

from simulator.options import Options
from simulator.producer import SHAPES, produce


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
        usage="python -m simulator SHAPE --out DIR [options]",
        description="Write a raw archive of made-up rows, the same for the same seed and options.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("shape", choices=SHAPES)
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make the archive in")
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
    shape, out = given.pop("shape"), given.pop("out")
    try:
        options = Options(**given)
    except ValueError as error:
        command_line.error(str(error))
    progress = Progress()
    try:
        truth = produce(shape, out, options, progress.report)
    except FileExistsError as error:
        command_line.error(str(error))
    progress.finish_day()
    print(
        f"{out}: {truth.lines:,} lines = {truth.distinct:,} distinct + {truth.duplicates:,} duplicates"
        f" + {truth.conflicts:,} conflicts + {truth.malformed:,} malformed; {truth.late:,} late, {truth.bots:,} by bots"
    )


if __name__ == "__main__":
    main()
