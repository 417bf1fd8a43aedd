"""Spark on an empty lake, started and stopped: what each Spark job pays before its first row."""

import sys
from pathlib import Path

from local import lake


def main(_: Path, out: Path) -> None:
    """Start and stop Spark."""
    lake.session(out / "lake").stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
