"""Rows that happen now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simulator.activity import Moment
from simulator.clock import SECOND

MOST_RATE = 1_000  # a row a millisecond, so that a user's times strictly increase; as much as one shard takes


@dataclass(frozen=True)
class Live:
    """``rate`` rows a second for some seconds from ``begin`` (Unix ms) on."""

    begin: int
    rate: int = 1
    seconds: int = 20

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if not 1 <= self.rate <= MOST_RATE:
            raise ValueError(f"rate must be between 1 and {MOST_RATE} a second, not {self.rate}.")
        if self.seconds < 1:
            raise ValueError(f"seconds must be at least 1, not {self.seconds}.")

    @property
    def end(self) -> int:
        """Unix ms after the last row."""
        return self.begin + self.seconds * SECOND

    def paced(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Let the same users do the same, evenly in time, in sessions whose numbers no other beginning has given."""
        for number, (_, user, session) in enumerate(moments):
            yield self.begin + number * SECOND // self.rate, user, self.begin + session
