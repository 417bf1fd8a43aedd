"""Page views: JSON views and lines of page transitions -> views and visitors per window and page."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import json_records, times
from clickstream.validation import Rules, Source, with_reasons

SOURCE: Source = "page_views"
ALL_PAGES = "*"  # stands for all of them together where one page would stand
KEY = ("window_start", "window_seconds", "page", "window_date")
LONGEST_PAGE = 2048  # bytes: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
SKETCH = 14  # 2^14 registers: a standard error of 0.8% in 16 KiB, less of both for few visitors

COUNTS = {"written": "sum(records)"}

_TRANSITION = "prev string, curr string, type string, n string, malformed string"
_CSV = {"quote": '"', "escape": '"', "columnNameOfCorruptRecord": "malformed"}  # RFC 4180


def validate(lines: DataFrame, allowed_lateness: timedelta) -> DataFrame:
    """Parse ``schemas.RAW_LINE``, each transition of a record as a row, and add the reasons to quarantine it."""
    is_view = F.ltrim("raw").startswith("{")
    each = F.explode(F.when(is_view, F.array("raw")).otherwise(F.split("raw", "\r?\n")))
    return lines.withColumn("raw", each).transform(parse).transform(with_reasons, rules(allowed_lateness))


def parse(lines: DataFrame) -> DataFrame:
    """Add user_id, page, views and viewed_at to ``schemas.RAW_LINE``; row-wise. A transition is viewed on arrival."""
    return (
        lines
        .transform(json_records.with_fields, ("user_id", "page_url", "event_time"))
        .withColumn("transition", F.when(~F.col("is_object"), F.from_csv("raw", _TRANSITION, _CSV)))
        .withColumn("n", F.expr("if(transition.malformed is null, try_cast(transition.n as bigint), null)"))
        .select(
            *lines.columns,
            "is_object",
            (F.col("n") > 0).alias("is_transition"),
            F.expr("nullif(trim(user_id), '')").alias("user_id"),
            F.trim(F.when(F.col("is_object"), F.col("page_url")).otherwise(F.col("transition.curr"))).alias("page"),
            F.when(F.col("is_object"), F.lit(1)).otherwise(F.col("n")).alias("views"),
            F.col("event_time").isNotNull().alias("has_event_time"),
            F.when(F.col("is_object"), times.instant("event_time")).otherwise(F.col("arrived_at")).alias("viewed_at"),
        )
    )


def rules(allowed_lateness: timedelta) -> Rules:
    """Say what has to hold for a view or transition, by the reason it is quarantined for otherwise."""
    is_view, is_transition = F.col("is_object"), F.coalesce("is_transition", F.lit(False))
    is_other = ~is_view & ~is_transition
    has_page = F.coalesce(F.length("page") > 0, F.lit(False))
    is_untimed = F.col("viewed_at").isNull()
    of_lines = {reason: holds for reason, holds in json_records.rules().items() if reason != "not_a_json_object"}
    return {
        **of_lines,
        "not_a_view": is_view | is_transition | (F.trim("raw") == ""),
        "page_missing": is_other | has_page,
        "page_reserved": is_other | ~has_page | (F.col("page") != ALL_PAGES),
        "page_too_long": is_other | ~has_page | (F.octet_length("page") <= LONGEST_PAGE),
        "event_time_missing": ~is_view | F.col("has_event_time"),
        "event_time_not_a_time": ~is_view | ~F.col("has_event_time") | ~is_untimed,
        "event_time_out_of_range": is_other
        | is_untimed
        | times.is_plausible(F.unix_millis("viewed_at"), F.col("arrived_at")),
        "late": is_other | is_untimed | (F.col("viewed_at") >= F.col("arrived_at") - F.lit(allowed_lateness)),
    }


def per_window(views: DataFrame, window: timedelta) -> DataFrame:
    """Count records and views, and sketch who viewed, per window and page; windows are laid from 1970 on."""
    return (
        views
        .groupBy(_window_start(window).alias("window_start"), F.lit(_seconds(window)).alias("window_seconds"), "page")
        .agg(
            F.count(F.lit(1)).alias("records"),
            F.sum("views").alias("views"),
            F.hll_sketch_agg("user_id", SKETCH).alias("users_sketch"),
        )
        .withColumn("window_date", F.to_date("window_start"))
    )


def added(new: DataFrame, stored: DataFrame, batch: str) -> DataFrame:
    """Add the counts of ``per_window`` to those that are stored for the same windows and pages.

    What an earlier attempt of this batch has added is replaced.
    """
    before = F.when(F.col("batch") == batch, F.col("views_before")).otherwise(F.col("views"))
    known = stored.select(*KEY, before.alias("before"), F.col("users_sketch").alias("known_sketch"))
    return (
        new
        .join(known, [*KEY], "left")
        .withColumn("batch", F.lit(batch))
        .withColumn("views_before", F.coalesce("before", F.lit(0)))
        .withColumn("views", F.col("views") + F.col("views_before"))
        .withColumn("users_sketch", F.coalesce(F.hll_union("users_sketch", "known_sketch"), "users_sketch"))
        .withColumn("users", F.hll_sketch_estimate("users_sketch"))
        .select(*schemas.PAGE_COUNTS.names, "records")
    )


def is_touched(views: DataFrame, window: timedelta) -> Column:
    """Whether a stored row is of a window that these views fall into: few, as lateness and window allow."""
    starts = views.select(F.unix_seconds(_window_start(window))).distinct().collect()
    return F.col("window_start").isin([times.without_zone(datetime.fromtimestamp(row[0], UTC)) for row in starts])


def live(changed: DataFrame, windows: DataFrame) -> DataFrame:
    """Turn ``schemas.PAGE_COUNTS`` into what applications read: pages that changed, and their windows as a whole."""
    columns = ("page", "window_start", "window_seconds", "views", "users", "pages")
    whole = windows.groupBy("window_start", "window_seconds").agg(
        F.sum("views").alias("views"),
        F.hll_sketch_estimate(F.hll_union_agg("users_sketch")).alias("users"),
        F.count("page").alias("pages"),
    )
    rows = changed.withColumn("pages", F.lit(1)).select(*columns)
    rows = rows.unionByName(whole.withColumn("page", F.lit(ALL_PAGES)).select(*columns))
    return rows.withColumn("window_start", F.date_format("window_start", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"))


def _window_start(window: timedelta) -> Column:
    return F.timestamp_seconds(F.expr(f"unix_seconds(viewed_at) div {_seconds(window)} * {_seconds(window)}"))


def _seconds(window: timedelta) -> int:
    return int(window.total_seconds())
