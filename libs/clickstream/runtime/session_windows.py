"""What ends a session, as ``sessions_batch`` and ``sessions_stream`` are told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from clickstream.runtime.arguments import AtMost, PositiveInt


@dataclass(frozen=True, kw_only=True)
class SessionWindows:
    """What a job that makes sessions is started with."""

    gap_seconds: Annotated[PositiveInt, AtMost(86_400), "a longer pause ends a session"] = PositiveInt(1800)
    max_session_hours: Annotated[PositiveInt, AtMost(168), "a session is cut at that length"] = PositiveInt(24)

    @property
    def gap(self) -> timedelta:
        """The longest pause in a session."""
        return timedelta(seconds=self.gap_seconds)

    @property
    def max_length(self) -> timedelta:
        """The length at which a session is cut."""
        return timedelta(hours=self.max_session_hours)
