"""Rows that happen now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simulator.activity import Moment
from simulator.clock import SECOND

MAX_RATE = 1_000  # a row a millisecond, so that a user's times strictly increase; as much as one shard takes


@dataclass(frozen=True)
class Live:
    """``rate`` rows a second for ``seconds`` from ``begin`` (Unix ms) on."""

    begin: int
    rate: int = 1
    seconds: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.rate <= MAX_RATE:
            raise ValueError(f"rate must be between 1 and {MAX_RATE} a second, not {self.rate}.")
        if self.seconds < 1:
            raise ValueError(f"seconds must be at least 1, not {self.seconds}.")

    @property
    def end(self) -> int:
        """Unix ms after the last row."""
        return self.begin + self.seconds * SECOND

    def paced(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Spread the moments evenly over time, and number the sessions so that no other ``begin`` has the same."""
        for number, (_, user, session) in enumerate(moments):
            yield self.begin + number * SECOND // self.rate, user, self.begin + session
