"""The floor: Spark reads every byte of the input and writes it as Parquet, unchanged."""

import sys
from pathlib import Path

from local import lake


def main(raw: Path, out: Path) -> None:
    """Write the lines below ``out``."""
    spark = lake.session(out / "lake")
    lines = spark.read.option("recursiveFileLookup", "true").text(str(raw))
    lines.write.option("compression", "zstd").parquet(str(out / "events"))
    spark.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
