"""Start Spark, without Java's second compiler, and end: what a run costs that reads little."""

import sys
from pathlib import Path

from local import lake


def main(_: Path, out: Path) -> None:
    """Start Spark on an empty lake, and stop it."""
    lake.session(out / "lake", c1_only=True).stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
