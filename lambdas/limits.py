"""How long a function's calls to AWS may take, so that it can report what failed before Lambda ends it."""

from dataclasses import dataclass
from typing import Any, Protocol

from botocore.config import Config

RESERVE_SECONDS = 2  # for the function to report and return


class Context(Protocol):
    """What Lambda says of a call of the function."""

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left of the function's timeout."""


@dataclass(frozen=True)
class CallLimits:
    """Limits of one call; a timeout is a whole attempt's, of which the SDK makes several."""

    connect_seconds: int
    read_seconds: int
    attempts: int

    @property
    def longest_seconds(self) -> int:
        """The most that all attempts take, with the SDK's pauses of up to 1, 2, 4 … seconds between them."""
        return self.attempts * (self.connect_seconds + self.read_seconds) + (1 << self.attempts - 1) - 1

    def config(self, **others: Any) -> Config:
        """Return the configuration of a client that keeps to the limits."""
        return Config(
            connect_timeout=self.connect_seconds,
            read_timeout=self.read_seconds,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            **others,
        )

    def fit(self, context: Context) -> bool:
        """Whether a call that begins now ends before the function's timeout."""
        return context.get_remaining_time_in_millis() >= 1000 * (self.longest_seconds + RESERVE_SECONDS)
