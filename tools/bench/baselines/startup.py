"""Spark on an empty lake, started and stopped: what each of Spark's contenders pays before its first row."""

import sys
from pathlib import Path

from local import lake


def main(_: Path, out: Path) -> None:
    """Do nothing."""
    lake.session(out / "lake").stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
