"""What ends a session, as ``sessions_batch`` and ``sessions_stream`` are told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from clickstream.runtime.arguments import AtMost, PositiveInt
from clickstream.transforms.sessions import SessionWindow


@dataclass(frozen=True, kw_only=True)
class SessionWindows:
    """What a job that makes sessions is started with."""

    gap_seconds: Annotated[PositiveInt, AtMost(86_400), "a longer pause ends a session"] = PositiveInt(1800)
    max_session_hours: Annotated[PositiveInt, AtMost(168), "a session is cut at that length"] = PositiveInt(24)

    @property
    def window(self) -> SessionWindow:
        """What ends a session."""
        return SessionWindow(timedelta(seconds=self.gap_seconds), timedelta(hours=self.max_session_hours))
