"""Options of a producer; the command line is built from these fields."""

import dataclasses
from dataclasses import dataclass
from datetime import date
from typing import Any

SHARES = ("bots", "duplicates", "conflicts", "late", "malformed")  # of the rows, 0 to 1
POSITIVE = ("rows", "days", "users", "late_days", "event_types", "rows_per_file")
# Malformed times lie before 2000 or after 2100, so that they are out of range whenever they arrive; good ones between.
FIRST_START, LAST_START = date(2000, 1, 2), date(2090, 1, 1)
MAX_DAYS = 3650


def option(default: Any, help: str) -> Any:  # noqa: A002  # as argparse calls it
    """Define a field by its default and its line of help."""
    return dataclasses.field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Options:
    """Every share is of ``rows``: ``duplicates=0.02`` of 1,000 rows adds about 20 lines."""

    rows: int = option(100_000, "distinct good rows")
    seed: int = option(1, "the same seed and options give the same bytes")
    start: date = option(date(2024, 3, 1), "first day, YYYY-MM-DD")  # noqa: RUF009 - a date is immutable
    days: int = option(1, "days that the users' sessions begin in")
    users: int = option(10_000, "users; for page_transitions, pages")
    skew: float = option(0.5, "Zipf exponent of the users; 0: all are equally active")
    bots: float = option(0.01, "share of rows by a few bots that fire without pause")
    duplicates: float = option(0.02, "share of rows sent again byte for byte")
    conflicts: float = option(0.001, "share of rows sent again with another created_at (events only)")
    late: float = option(0.01, "share of rows that arrive hours or days after they happened (not page_transitions)")
    late_days: int = option(2, "the longest such delay; shorter where too many lines would wait in memory")
    malformed: float = option(0.001, "share of malformed lines to add")
    event_types: int = option(100, "different event types, the first part of event_name (events only)")
    rows_per_file: int = option(50_000, "most lines in a file")
    gzip: bool = option(default=True, help="compress the files")

    def __post_init__(self) -> None:
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1, not {getattr(self, name)}.")
        for name in POSITIVE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not 0 <= self.skew <= 10:  # noqa: PLR2004 - far beyond it one user does everything
            raise ValueError(f"skew must be between 0 and 10, not {self.skew}.")
        if not FIRST_START <= self.start <= LAST_START:
            raise ValueError(f"start must be between {FIRST_START} and {LAST_START}, not {self.start}.")
        if max(self.days, self.late_days) > MAX_DAYS:
            raise ValueError(f"days and late_days must be at most {MAX_DAYS}.")
