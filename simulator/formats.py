"""What the shapes have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from simulator.activity import MOST_BOTS
from simulator.clock import SECOND
from simulator.options import Options

BrokenValues = Mapping[str, Sequence[tuple[str, Any]]]
"""Kind of malformed row -> fields and the values that they must not have."""


class Shape(ABC):
    """Writes rows as text; no two are alike as long as a user's times strictly increase."""

    suffix: ClassVar[str] = "json"
    timed: ClassVar[bool] = True  # a row says when it happened, so it can be late
    keyed: ClassVar[bool] = False  # a row has an identity besides its time, so it can conflict with another
    required: ClassVar[Sequence[str]] = ()
    broken_values: ClassVar[BrokenValues] = {}

    def __init__(self, options: Options) -> None:
        """Prepare what many rows share."""
        self.options = options
        self.rng = Random(f"{type(self).__name__} {options.seed}")
        self.names = [f"u{user}" for user in range(options.users)] + [f"bot-{bot}" for bot in range(MOST_BOTS)]
        self.last = [0] * len(self.names)

    @abstractmethod
    def line(self, happened: int, user: int, session: int) -> str:
        """One good row."""

    def conflicting(self, line: str, happened: int) -> str:
        """Give the same row with another time, where ``keyed``."""
        raise NotImplementedError

    def can_be_cut(self, happened: int, user: int) -> bool:
        """Whether the time, cut to whole seconds, is still after the user's last; called once a row, it remembers."""
        second = happened - happened % SECOND
        after = second > self.last[user] and self.rng.getrandbits(1) == 0
        self.last[user] = second if after else happened
        return after
