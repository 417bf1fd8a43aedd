"""The windows that page views are counted in: ``page_views_stream`` and the rebuild of its counts have to agree."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from clickstream.runtime.arguments import AtMost, PositiveInt


@dataclass(frozen=True, kw_only=True)
class PageWindows:
    """What a job that counts page views is started with."""

    window_seconds: Annotated[PositiveInt, AtMost(86_400), "the length of a window"] = PositiveInt(60)
    allowed_lateness_minutes: Annotated[
        PositiveInt, AtMost(30 * 24 * 60), "how long after a view its record may arrive"
    ] = PositiveInt(60)

    @property
    def window(self) -> timedelta:
        """The length of a window."""
        return timedelta(seconds=self.window_seconds)

    @property
    def allowed_lateness(self) -> timedelta:
        """How long after a view its record may arrive."""
        return timedelta(minutes=self.allowed_lateness_minutes)
