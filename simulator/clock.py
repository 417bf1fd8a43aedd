"""Unix milliseconds and their texts."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def midnight(day: date) -> int:
    """Return the Unix ms of the day's first instant in UTC."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * SECOND


@lru_cache(maxsize=4096)
def date_text(days: int) -> str:
    """Return YYYY-MM-DD for a number of days since 1970-01-01."""
    return (date(1970, 1, 1) + timedelta(days)).isoformat()


def seconds_text(ms: int, separator: str = " ") -> str:
    """Return YYYY-MM-DD HH:MM:SS, the milliseconds cut off."""
    days, ms = divmod(ms, DAY)
    hour, ms = divmod(ms, HOUR)
    minute, ms = divmod(ms, MINUTE)
    return f"{date_text(days)}{separator}{hour:02}:{minute:02}:{ms // SECOND:02}"


def iso(ms: int) -> str:
    """Return YYYY-MM-DDTHH:MM:SS.mmm, without a zone."""
    return f"{seconds_text(ms, 'T')}.{ms % SECOND:03}"


def text_form(ms: int, form: int) -> str:
    """Return one of four notations of the instant, all to the millisecond; ``form`` is 0 to 3."""
    if form == 0:
        return f"{iso(ms + 2 * HOUR)}+02:00"
    return iso(ms) + ("", "Z", "+00:00")[form - 1]
