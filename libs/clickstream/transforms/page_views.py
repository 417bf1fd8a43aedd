"""Page views: JSON views and lines of page transitions -> views and visitors per window and page."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickstream import schemas
from clickstream.transforms import fields, hyperloglog, json_records, texts, times, transitions
from clickstream.validation import Rules, Source, with_reasons

SOURCE: Source = "page_views"
REBUILD_SOURCE: Source = "page_counts"  # of what a rebuild quarantines: no replay, or it would count twice
ALL_PAGES = transitions.ALL_PAGES
KEY = ("window_start", "window_seconds", "page", "window_date")
MOST_COUNTED = 2**63 - 1  # views of a page or window: what a bigint holds; more than that stays at it
MOST_STARTS = 1000  # windows that a condition lists one by one

COUNTS = {"written": "sum(records)"}
DUPLICATES = {"duplicate": "count_if(is_duplicate)"}

HOUR = timedelta(hours=1)  # to which the raw archive knows arrivals
VERSION = "version"  # snapshot property of page_counts: of the counts that were sent last
LAST_BATCH = "last_batch_"  # likewise, with a window's length: which batch of it was published last
REBUILT = "rebuilt_"  # likewise, with a window's length: each date that was rebuilt, and of arrivals before which hour
LONGEST_UNREAD = timedelta(days=31 + 365)  # the longest lateness, then Kinesis's longest retention

_NOT_TEXT = r'^(-?\d.*|"-?Infinity"|true|false|[\[{].*)\z'  # as json_tuple writes what is no text


def validate(lines: DataFrame, allowed_lateness: timedelta, arrived_within: timedelta = timedelta()) -> DataFrame:
    """Parse ``schemas.RAW_LINE`` and add the reasons to quarantine a row, if any; row-wise."""
    return lines.transform(parse).transform(with_reasons, rules(allowed_lateness, arrived_within))


def parse(lines: DataFrame) -> DataFrame:
    """Add user_id, page, views and viewed_at to ``schemas.RAW_LINE``; row-wise. A transition is viewed on arrival."""
    is_view = F.col("raw").rlike(f"^{transitions.VIEW}")
    is_number = F.col("n").rlike(f"^{transitions.NUMBER}\\z")
    of_transition = {name: F.col("transition")[number] for number, name in enumerate(transitions.COLUMNS)}
    return (
        lines
        .transform(json_records.with_fields, ("user_id", "page_url", "event_time"))
        .withColumn("transition", F.when(~is_view, _columns("raw")))
        .withColumns(of_transition)
        .select(
            *lines.columns,
            "is_object",
            "page_url",
            (_is_text("prev") & _is_text("type") & is_number).alias("is_transition"),
            "user_id",
            F.when(F.col("is_object"), F.col("page_url")).otherwise(fields.text("curr")).alias("page"),
            F.when(F.col("is_object"), F.lit(1)).otherwise(F.expr("try_cast(n as bigint)")).alias("views"),
            F.col("event_time").isNotNull().alias("has_event_time"),
            F.when(F.col("is_object"), times.instant("event_time")).otherwise(F.col("arrived_at")).alias("viewed_at"),
        )
    )


def rules(allowed_lateness: timedelta, arrived_within: timedelta = timedelta()) -> Rules:
    """Say what has to hold for a view or transition, by the reason it is quarantined for otherwise.

    ``arrived_within`` is how far ``arrived_at`` was rounded down: a row is late only if it is late at ``arrived_at``,
    and out of range only if it still is at ``arrived_at + arrived_within``.
    """
    is_view, is_transition = F.col("is_object"), F.coalesce("is_transition", F.lit(False))
    is_other = ~is_view & ~is_transition
    has_page = F.col("page").isNotNull()
    is_untimed = F.col("viewed_at").isNull()
    of_lines = {reason: holds for reason, holds in json_records.rules().items() if reason != "not_a_json_object"}
    return {
        **of_lines,
        "not_a_view": is_view | is_transition | F.expr(json_records.IS_EMPTY),
        **fields.id_rules("user_id", texts.LONGEST_USER_ID),
        "page_missing": is_other | has_page,
        "page_not_text": ~is_view | ~has_page | fields.is_text("page_url", _NOT_TEXT),
        "page_control_character": is_other | ~has_page | ~F.col("page").rlike(texts.CONTROL_CHARACTER),
        "page_reserved": is_other | ~has_page | (F.col("page") != ALL_PAGES),
        "page_too_long": is_other | ~has_page | (F.octet_length("page") <= transitions.LONGEST_PAGE),
        "views_out_of_range": is_other | F.col("views").between(1, transitions.MOST_VIEWS),
        "event_time_missing": ~is_view | F.col("has_event_time"),
        "event_time_not_a_time": ~is_view | ~F.col("has_event_time") | ~is_untimed,
        "event_time_out_of_range": is_other
        | is_untimed
        | times.is_plausible(F.unix_millis("viewed_at"), F.col("arrived_at") + F.lit(arrived_within)),
        "late": is_other | is_untimed | (F.col("viewed_at") >= F.col("arrived_at") - F.lit(allowed_lateness)),
    }


def with_range(views: DataFrame, window: timedelta, start: date | None, end: date) -> DataFrame:
    """Add whether a valid view is_out_of_range: its window begins on none of the days ``start..end``; row-wise."""
    is_in_range = times.is_in_range(_window_date(window), start, end)
    return views.withColumn("is_out_of_range", F.col("reasons").isNull() & ~is_in_range)


def dates(views: DataFrame, window: timedelta) -> list[date]:
    """Collect the dates that the views' windows begin on."""
    return [row[0] for row in views.select(_window_date(window)).distinct().collect()]


def last_whole_date(hour: datetime, window: timedelta, allowed_lateness: timedelta) -> date:
    """Return the last date that can be rebuilt: its last window ended more than the lateness and an hour before."""
    return (hour - HOUR - allowed_lateness - window).date() - timedelta(days=1)


def rebuilt_properties(
    latest: Mapping[str, str], rebuilt: Iterable[date], hour: datetime, window: timedelta
) -> dict[str, str]:
    """Return the snapshot properties of a rebuild of dates, from all that arrived before an hour.

    They keep what the stream goes on from, but for dates whose views nobody can read any more.
    """
    known = _rebuilt(latest, window) | {str(day): hour.isoformat() for day in rebuilt}
    oldest = str((hour - LONGEST_UNREAD).date())
    kept = {day: until for day, until in sorted(known.items()) if day >= oldest}
    return kept_properties(latest) | {f"{REBUILT}{_seconds(window)}": json.dumps(kept, separators=(",", ":"))}


def kept_properties(latest: Mapping[str, str]) -> dict[str, str]:
    """Return the snapshot properties of the latest commit that the next one keeps."""
    return {name: value for name, value in latest.items() if name.startswith((VERSION, LAST_BATCH, REBUILT))}


def batch_properties(latest: Mapping[str, str], batch: str, version: int, window: timedelta) -> dict[str, str]:
    """Return the snapshot properties of a batch of the stream, which sends counts of a version."""
    return kept_properties(latest) | {VERSION: str(version), f"{LAST_BATCH}{_seconds(window)}": batch}


def is_published(latest: Mapping[str, str], batch: str, window: timedelta) -> bool:
    """Whether an earlier attempt of the batch was published; no batch but the last one is processed again."""
    return latest.get(f"{LAST_BATCH}{_seconds(window)}") == batch


def with_duplicates(views: DataFrame, latest: Mapping[str, str], window: timedelta) -> DataFrame:
    """Add whether a view is_duplicate: a rebuild of its window's date has read it in the raw archive; row-wise."""
    days_by_hour: dict[str, list[date]] = {}
    for day, hour in _rebuilt(latest, window).items():
        days_by_hour.setdefault(hour, []).append(date.fromisoformat(day))
    is_duplicate = F.lit(False)
    for hour, days in days_by_hour.items():
        is_before = F.col("arrived_at") < F.lit(datetime.fromisoformat(hour))
        is_duplicate |= _window_date(window).isin(days) & is_before
    return views.withColumn("is_duplicate", is_duplicate)


def _rebuilt(latest: Mapping[str, str], window: timedelta) -> dict[str, str]:
    return dict(json.loads(latest.get(f"{REBUILT}{_seconds(window)}", "{}")))


def per_window(views: DataFrame, window: timedelta) -> DataFrame:
    """Count records and views, and sketch who viewed, per window and page; windows are laid from 1970 on."""
    return (
        views
        .withColumn("window_start", _window_start(window))
        .transform(hyperloglog.per_key, ("window_start", "page"), users="user_id")
        .withColumn("window_seconds", F.lit(_seconds(window)))
        .withColumn("views", _counted(F.col("views")))
        .withColumn("window_date", F.to_date("window_start"))
    )


def added(new: DataFrame, stored: DataFrame, batch: str, *, is_again: bool = False) -> DataFrame:
    """Add the counts of ``per_window`` to those that are stored for the same windows and pages.

    What an earlier attempt of this batch has added is replaced; where it is processed again without some records, it is
    taken back. Their users stay in the sketch: they come again with the records.
    """
    is_of_batch = F.col("batch") == batch
    before = F.when(is_of_batch, F.col("views_before")).otherwise(F.col("views")).alias("before")
    known = stored.select(*KEY, before, is_of_batch.alias("is_of_batch"), F.col("users_sketch").alias("known_sketch"))
    sketches = F.coalesce(hyperloglog.SKETCHES, F.array().cast("array<binary>"))
    return (
        new
        .join(known, [*KEY], "full_outer" if is_again else "left")
        .where("records is not null or is_of_batch")
        .withColumn("batch", F.lit(batch))
        .withColumn("records", F.coalesce("records", F.lit(0)))
        .withColumn("views_before", F.coalesce("before", F.lit(0)))
        .withColumn("views", _counted(F.coalesce("views", F.lit(0)).cast("decimal(20)") + F.col("views_before")))
        .withColumn(hyperloglog.SKETCHES, F.array_compact(F.array_append(sketches, F.col("known_sketch"))))
        .transform(hyperloglog.with_users)
        .select(*schemas.PAGE_COUNTS.names, "records")
    )


def starts(views: DataFrame, window: timedelta) -> DataFrame:
    """Say when the windows start that views fall into."""
    return views.select(_window_start(window).alias("window_start"))


def is_touched(starts: DataFrame) -> Column:
    """Whether a stored row may be of a window that starts then; of many windows it is a range."""
    starts = starts.select(F.unix_seconds("window_start").alias("start")).distinct()
    listed = [row.start for row in starts.limit(MOST_STARTS + 1).collect()]
    if len(listed) <= MOST_STARTS:
        return F.col("window_start").isin([_moment(start) for start in listed])
    ((first, last),) = starts.agg(F.min("start"), F.max("start")).collect()
    return F.col("window_start").between(_moment(first), _moment(last))


def live(changed: DataFrame, windows: DataFrame) -> DataFrame:
    """Turn ``schemas.PAGE_COUNTS`` into what applications read: pages that changed, and their windows as a whole.

    A page or window without views any more has none of anything.
    """
    columns = ("page", "window_start", "window_seconds", "views", "users", "pages")
    window = ("window_start", "window_seconds")
    touched = changed.select(*window).distinct()
    whole = (
        windows
        .join(touched, [*window], "left_semi")
        .transform(hyperloglog.per_key, window, users="users_sketch")
        .transform(hyperloglog.with_users)
        .withColumn("views", _counted(F.col("views")))
        .withColumnRenamed("records", "pages")
        .join(touched, [*window], "right")
        .fillna(0, ["views", "users", "pages"])
    )
    is_left = F.col("views") > 0
    of_pages = {"pages": is_left.cast("int"), "users": F.when(is_left, F.col("users")).otherwise(0)}
    rows = changed.withColumns(of_pages).select(*columns)
    rows = rows.unionByName(whole.withColumn("page", F.lit(ALL_PAGES)).select(*columns))
    return rows.withColumn("window_start", F.date_format("window_start", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"))


def _columns(line: str) -> Column:
    """Take a page transition apart, by tabs if it has three and by RFC 4180 otherwise; null if it has other columns."""
    of_tsv, pattern = F.split(line, "\t"), f"^{transitions.CSV}\\z"
    is_tsv = F.size(of_tsv) == len(transitions.COLUMNS)
    of_csv = F.array(*[F.regexp_extract(line, pattern, number + 1) for number in range(len(transitions.COLUMNS))])
    columns = F.when(is_tsv, of_tsv).when(F.col(line).rlike(pattern), F.transform(of_csv, _without_quotes))
    return F.transform(columns, lambda column: F.btrim(column, F.lit(texts.WHITE_SPACE)))


def _without_quotes(column: Column) -> Column:
    inside = F.substr(column, F.lit(2), F.length(column) - 2)
    return F.when(column.startswith('"'), F.replace(inside, F.lit('""'), F.lit('"'))).otherwise(column)


def _is_text(name: str) -> Column:
    return (F.length(name) > 0) & ~F.col(name).rlike(texts.CONTROL_CHARACTER)


def _counted(views: Column) -> Column:
    """Turn a sum that is exact into a bigint, which ends at ``MOST_COUNTED``."""
    return F.least(views, F.lit(MOST_COUNTED)).cast("bigint")


def _moment(unix_seconds: int) -> Column:
    return times.without_zone(datetime.fromtimestamp(unix_seconds, UTC))


def _window_start(window: timedelta) -> Column:
    return F.timestamp_seconds(F.expr(f"unix_seconds(viewed_at) div {_seconds(window)} * {_seconds(window)}"))


def _window_date(window: timedelta) -> Column:
    return F.to_date(_window_start(window))


def _seconds(window: timedelta) -> int:
    return int(window.total_seconds())
