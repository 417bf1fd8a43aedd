"""Every form of time that producers send -> one instant in UTC; what is not a time -> null."""

from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

EARLIEST = 946_684_800_000  # 2000-01-01 in Unix ms; an older event has a broken clock
CLOCK_AHEAD = timedelta(days=1)  # a clock further ahead of the arrival is broken
_YEAR_9999 = 253_402_300_799_999
_MS, _US = 10**11, 10**14  # from these sizes on a Unix time is in ms, in µs

_ISO_8601 = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?\z"
_BASIC = r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(?!:)"  # ISO 8601's basic format, as Signature Version 4 has it
_TO_THE_MINUTE = r"^(.{16})(\d\d)"  # and a second that lacks its colon
_DECIMAL = "^ *[+-]?[0-9]{1,20}([.][0-9]{0,18})?([eE][+]?[0-9]{1,2})? *$"
_LEAP_SECOND = r"^(.{16}):60"


def unix_milliseconds(text: str) -> Column:
    """Unix s, ms or µs, with up to 18 decimals, in the text column ``text`` -> Unix ms, floored (bigint).

    The size tells the unit: seconds stay below 10^11 until the year 5138, milliseconds are above it since 1973
    and below 10^14 until 5138.
    """
    whole = f"try_cast({text} as bigint)"
    # Only where the text is not a whole number: it is slower, and for ever at an exponent like e-99999999.
    exact = f"try_cast(if({text} rlike '{_DECIMAL}', {text}, null) as decimal(38, 18))"
    # In this form Spark casts once for all the places of a cast; with CASE or BETWEEN it would once for each.
    return F.expr(f"""
        coalesce(
            if({whole} > -{_MS} and {whole} < {_MS}, {whole} * 1000,
                if({whole} > -{_US} and {whole} < {_US}, {whole}, {whole} div 1000)),
            if({exact} > -{_MS} and {exact} < {_MS}, {exact} div 1 * 1000 + cast(floor({exact} % 1 * 1000) as bigint),
                if({exact} > -{_US} and {exact} < {_US}, cast(floor({exact}) as bigint),
                    try_cast(floor(floor({exact}) / 1000) as bigint))))
    """)


def instant(text: str) -> Column:
    """ISO 8601, ``YYYY-MM-DD HH:MM:SS`` or a Unix time in the text column ``text`` -> timestamp.

    Of ISO 8601 a date with a time of day: the extended or the basic format, letters in either case, decimals of a
    second after a point or a comma; and ``UTC`` as a zone, which Athena writes. A time without a zone is UTC; a Unix
    time keeps its milliseconds. 23:59:60 UTC, a leap second, is the instant after it, as Unix time has it; any other
    second 60 is not a time.
    """
    given = F.translate(F.col(text), "tz,", "TZ.")
    with_colons = F.regexp_replace(F.regexp_replace(given, _BASIC, "$1-$2-$3T$4:$5"), _TO_THE_MINUTE, "$1:$2")
    extended = F.when(given.rlike(_BASIC), with_colons).otherwise(given)
    with_second = F.when(extended.substr(17, 1) == ":", extended).otherwise(
        F.regexp_replace(extended, "^(.{16})", "$1:00")
    )
    iso = F.when(extended.rlike(_ISO_8601), with_second)
    is_leap = iso.rlike(_LEAP_SECOND)
    second_59 = F.try_to_timestamp(F.when(is_leap, F.regexp_replace(iso, _LEAP_SECOND, "$1:59")))
    leap = F.when(F.date_format(second_59, "HH:mm:ss") == "23:59:59", second_59 + F.expr("interval 1 second"))
    unix = unix_milliseconds(text)
    return F.when(is_leap, leap).otherwise(
        F.coalesce(F.try_to_timestamp(iso), F.when(unix.between(0, _YEAR_9999), F.timestamp_millis(unix)))
    )


def to_milliseconds(time: Column) -> Column:
    """Floor to milliseconds: in plain Parquet Athena rounds what is finer, 23:59:59.9996 to the next day."""
    return F.timestamp_millis(F.unix_millis(time))


def without_zone(moment: datetime) -> Column:
    """Write an instant as the columns of an Iceberg table hold it, so that a condition on them reaches its files."""
    return F.lit(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}").cast("timestamp_ntz")


def is_in_range(day: Column, start: date | None, end: date | None) -> Column:
    """Whether a day lies in ``start..end``, both included; None is open."""
    is_after = F.lit(True) if start is None else day >= F.lit(start)
    return is_after if end is None else is_after & (day <= F.lit(end))


def is_plausible(milliseconds: Column, arrived_at: Column) -> Column:
    """Whether a Unix time (ms) lies between 2000-01-01 and a day after the arrival, both included."""
    latest = F.unix_millis(arrived_at) + int(CLOCK_AHEAD.total_seconds() * 1000)
    return milliseconds.between(EARLIEST, latest)
