"""The floor: every byte of the input read by Spark and written as Parquet, and nothing done to it."""

import sys
from pathlib import Path

from local import lake


def main(raw: Path, out: Path) -> None:
    """Read and write."""
    spark = lake.session(out / "lake")
    lines = spark.read.option("recursiveFileLookup", "true").text(str(raw))
    lines.write.option("compression", "zstd").parquet(str(out / "events"))
    spark.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
