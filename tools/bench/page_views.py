"""``python -m tools.bench.page_views``: measure the error of a window's distinct users and pages."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream.transforms import page_views
from local import lake
from tools.bench.report import machine, table

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("page_views.md")
CACHE = ROOT / ".cache" / "bench" / "page_views"
DISTINCT = (100, 10_000, 1_000_000)
WINDOWS = 10  # that are merged
MINUTE = timedelta(minutes=1)
NOON = "timestamp '2024-03-17 12:00:00'"

HOW = """\
## How it was measured

- Users: each trial is a page with that many users, none of them of another trial. Their views go through
  `page_views.per_window`; the error is the sketch's estimate beside the number, without sign. Merged: the same users
  over ten windows, a tenth in each and a tenth of those in the next one too, put together by `hll_union_agg`, as any
  span of windows is. Bytes are those of a window's sketch.
- Pages: a window with that many pages, as `page_views.live` counts them for the page `*`. They are rows, so nothing is
  estimated, and what a batch holds in memory is what Spark spills.
"""


def main() -> None:
    """Measure, print the page and write it."""
    command_line = argparse.ArgumentParser(prog="python -m tools.bench.page_views", description=__doc__)
    command_line.add_argument("--trials", type=int, default=20, metavar="N", help="pages for each number of users (20)")
    command_line.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="the page")
    arguments = command_line.parse_args()
    spark = lake.session(CACHE)
    rows = []
    for distinct in DISTINCT:
        estimates, sizes = one_window(spark, distinct, arguments.trials)
        pages = pages_of_a_window(spark, distinct)
        merged = errors(ten_windows(spark, distinct, arguments.trials), distinct)
        rows.append([
            f"{distinct:,}",
            *errors(estimates, distinct),
            *merged,
            f"{median(sizes):,.0f}",
            f"{pages - distinct:,}",
        ])
    header = ("distinct", "error", "at most", "merged", "at most", "bytes", "pages: off by")
    command = " ".join(["python", "-m", "tools.bench.page_views", *sys.argv[1:]])
    text = "\n".join([
        "# How exact the distinct counts of `page_views_stream` are\n",
        f"Trials: {arguments.trials}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}. To repeat it: `{command}`\n",
        "The error of distinct users in percent: the median of the trials, and the largest.\n",
        table(header, rows),
        HOW,
    ])
    print(text)
    arguments.out.write_text(text, encoding="utf-8")


def one_window(spark: SparkSession, distinct: int, trials: int) -> tuple[list[int], list[int]]:
    """Return the estimate and the size of the sketch of each trial."""
    counted = views(spark, distinct, trials).transform(page_views.per_window, MINUTE)
    found = counted.select(F.hll_sketch_estimate("users_sketch"), F.octet_length("users_sketch")).collect()
    return [row[0] for row in found], [row[1] for row in found]


def ten_windows(spark: SparkSession, distinct: int, trials: int) -> list[int]:
    """Return the estimate of each trial whose users are spread over windows."""
    seen = views(spark, distinct, trials)
    again = seen.where(f"user % {WINDOWS} = 0").withColumn(
        "viewed_at", F.col("viewed_at") + F.expr("interval 1 minute")
    )
    spread = seen.unionByName(again).withColumn(
        "viewed_at", F.col("viewed_at") + F.expr(f"make_interval(0, 0, 0, 0, 0, user div {WINDOWS} % {WINDOWS})")
    )
    merged = spread.transform(page_views.per_window, MINUTE).groupBy("page").agg(F.hll_union_agg("users_sketch"))
    return [row[0] for row in merged.select(F.hll_sketch_estimate(merged.columns[1])).collect()]


def pages_of_a_window(spark: SparkSession, distinct: int) -> int:
    """Return the number of pages that the job counts in a window."""
    seen = views(spark, 1, distinct).transform(page_views.per_window, MINUTE)
    stored = seen.withColumn("users", F.hll_sketch_estimate("users_sketch"))
    (whole,) = page_views.live(stored, stored).where(F.col("page") == page_views.ALL_PAGES).collect()
    return int(whole.pages)


def views(spark: SparkSession, users: int, pages: int) -> DataFrame:
    """Return views of each page by a number of users of its own."""
    return spark.range(users * pages).select(
        F.concat(F.lit("/"), F.col("id") % pages).alias("page"),
        F.concat(F.lit("u"), "id").alias("user_id"),
        F.expr(f"id div {pages}").alias("user"),
        F.lit(1).alias("views"),
        F.expr(NOON).alias("viewed_at"),
    )


def errors(estimates: Sequence[int], distinct: int) -> tuple[str, str]:
    """Return the median and the largest error in percent."""
    off = [100 * abs(estimate - distinct) / distinct for estimate in estimates]
    return f"{median(off):.2f}", f"{max(off):.2f}"


if __name__ == "__main__":
    main()
