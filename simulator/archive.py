"""The raw archive on disk: ``arrived=YYYY-MM-DD/HH/part-NNNNN.json.gz``, each file in order of arrival."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from simulator.clock import HOUR, seconds_text
from simulator.delivery import Arrival
from simulator.options import Options

GZIP = 31  # zlib's number for the gzip format, without a file name or time
FASTEST = 1  # the level; the usual 6 would make the producer a quarter slower for a seventh fewer bytes


def write(arrivals: Iterable[Arrival], out: Path, suffix: str, options: Options) -> Iterator[tuple[Path, int]]:
    """Write the files one by one; yield each with its number of lines."""
    hour_end, folder, parts = 0, out, count()
    lines: list[bytes] = []
    for at, _, line in arrivals:
        if at >= hour_end or len(lines) == options.rows_per_file:
            if lines:
                yield write_file(lines, folder / f"part-{next(parts):05}.{suffix}", options), len(lines)
                lines = []
            if at >= hour_end:
                hour_end = (at // HOUR + 1) * HOUR
                date, hour = seconds_text(at).split(":")[0].split()
                folder, parts = out / f"arrived={date}" / hour, count()
        lines.append(line)
    if lines:
        yield write_file(lines, folder / f"part-{next(parts):05}.{suffix}", options), len(lines)


def write_file(lines: list[bytes], path: Path, options: Options) -> Path:
    """Write one file; the same lines give the same bytes."""
    text = b"\n".join(lines) + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not options.gzip:
        path.write_bytes(text)
        return path
    path = path.with_name(f"{path.name}.gz")
    path.write_bytes(zlib.compress(text, FASTEST, GZIP))
    return path
