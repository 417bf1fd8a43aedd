"""``python -m tools.bench.page_views``: measure the error of distinct users and pages of a window, and their cost."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import hyperloglog, page_views
from local import lake
from tools.bench import meter
from tools.bench.report import machine, table

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("page_views.md")
CACHE = ROOT / ".cache" / "bench" / "page_views"
DISTINCT = (100, 10_000, 1_000_000)
WINDOWS = 10  # that are merged
MINUTE = timedelta(minutes=1)
NOON = "timestamp '2024-03-17 12:00:00'"
COSTED = 1_000_000  # views

HOW = """\
## How it was measured

- Users: each trial is a page with that many users, none of them of another trial. Their views go through
  `page_views.per_window`; the error is the sketch's estimate beside the number, without sign. Merged: the same users
  over ten windows, a tenth in each and a tenth of those in the next one too, merged by `hyperloglog.per_key`, as Athena
  merges any span of windows. Bytes are those of a window's sketch.
- Pages: a window with that many pages, as `page_views.live` counts them for the page `*`. They are rows, so nothing is
  estimated, and what a batch holds in memory is what Spark spills.
- CPU: views that are in memory are counted by window and page, and written nowhere: without users, with DataSketches'
  HLL of Spark (what Athena cannot read) and with Trino's, in turn, after a first round that is not counted; of Java and
  Python together, the median. Few: 1,000 windows and pages with 1,000 views each; many: 100,000 with 10.
"""


def main() -> None:
    """Measure, print the page and write it."""
    command_line = argparse.ArgumentParser(prog="python -m tools.bench.page_views", description=__doc__)
    command_line.add_argument("--trials", type=int, default=20, metavar="N", help="pages for each number of users (20)")
    command_line.add_argument("--rounds", type=int, default=3, metavar="N", help="of measuring CPU (3)")
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
    of_cpu = [
        [name, *[f"{seconds:.1f}" for seconds in costs(spark, pages, arguments.rounds)]]
        for name, pages in (("few", 1_000), ("many", 100_000))
    ]
    header = ("distinct", "error", "at most", "merged", "at most", "bytes", "pages: off by")
    command = " ".join(["python", "-m", "tools.bench.page_views", *sys.argv[1:]])
    text = "\n".join([
        "# How exact the distinct counts of `page_views_stream` are\n",
        f"Trials: {arguments.trials}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}. To repeat it: `{command}`\n",
        "The error of distinct users in percent: the median of the trials, and the largest.\n",
        table(header, rows),
        "CPU seconds to count a million views, by the number of windows and pages:\n",
        table(("windows and pages", "without users", "DataSketches", "Trino's"), of_cpu),
        HOW,
    ])
    print(text)
    arguments.out.write_text(text, encoding="utf-8")


def one_window(spark: SparkSession, distinct: int, trials: int) -> tuple[list[int], list[int]]:
    """Return the estimate and the size of the sketch of each trial."""
    counted = views(spark, distinct, trials).transform(page_views.per_window, MINUTE).transform(hyperloglog.with_users)
    found = counted.select("users", F.octet_length("users_sketch")).collect()
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
    windows = spread.transform(page_views.per_window, MINUTE).transform(hyperloglog.with_users)
    merged = windows.transform(hyperloglog.per_key, ["page"], users="users_sketch").transform(hyperloglog.with_users)
    return [row.users for row in merged.collect()]


def costs(spark: SparkSession, pages: int, rounds: int) -> list[float]:
    """Return CPU seconds for a million views of so many pages: without users, with Spark's sketches, with Trino's."""
    seen = views(spark, COSTED // pages, pages).repartition(4, "user_id").cache()
    seen.count()
    window_start = F.timestamp_seconds(F.expr("unix_seconds(viewed_at) div 60 * 60")).alias("window_start")
    sums = [F.count(F.lit(1)).alias("records"), F.sum(F.col("views").cast("decimal(20)")).alias("views")]
    by_page = seen.groupBy(window_start, "page")
    of_spark = F.hll_sketch_agg("user_id", hyperloglog.BITS).alias("users_sketch")
    contenders = [
        by_page.agg(*sums),
        by_page.agg(*sums, of_spark).withColumn("users", F.hll_sketch_estimate("users_sketch")),
        seen.transform(page_views.per_window, MINUTE).transform(hyperloglog.with_users),
    ]
    used: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds + 1):
        for number, counted in enumerate(contenders):
            before = meter.session_cpu()
            counted.write.format("noop").mode("overwrite").save()
            used[number].append(meter.session_cpu() - before)
    seen.unpersist()
    return [median(of_one[1:]) for of_one in used]


def pages_of_a_window(spark: SparkSession, distinct: int) -> int:
    """Return the number of pages that the job counts in a window."""
    nothing = spark.createDataFrame([], schemas.PAGE_COUNTS.rows)
    stored = views(spark, 1, distinct).transform(page_views.per_window, MINUTE).transform(page_views.added, nothing, "")
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
