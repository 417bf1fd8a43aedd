"""What the formats have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar, Self

from simulator.activity import MOST_BOTS
from simulator.clock import SECOND
from simulator.options import Options

BrokenValues = Mapping[str, Sequence[tuple[str, Any]]]
"""Kind of malformed row -> (field, value it must not have)."""


class Format(ABC):
    """Writes rows as text; rows are distinct as long as each user's times strictly increase."""

    stream: ClassVar[str]  # that its rows are sent to
    suffix: ClassVar[str] = "json"
    timed: ClassVar[bool] = True  # a row holds its own time, so it can be late
    keyed: ClassVar[bool] = False  # a row has an id besides its time, so it can conflict with another
    required: ClassVar[Sequence[str]] = ()
    broken_values: ClassVar[BrokenValues] = {}

    def __init__(self, options: Options) -> None:
        self.options = options
        self.rng = Random(f"{type(self).__name__} {options.seed}")
        self.names = [f"u{user}" for user in range(options.users)] + [f"bot-{bot}" for bot in range(MOST_BOTS)]
        self.last = [0] * len(self.names)

    @classmethod
    def live(cls, options: Options, seed: int) -> Self:  # noqa: ARG003
        """Make the format for rows of now: ``options`` are of one beginning, ``seed`` of whatever outlives it."""
        return cls(options)

    @abstractmethod
    def line(self, happened: int, user: int, session: int) -> str:
        """Return one good row."""

    def conflicting(self, line: str, happened: int) -> str:
        """Return the same row with another time; only where ``keyed``."""
        raise NotImplementedError

    def may_be_truncated(self, happened: int, user: int) -> bool:
        """Decide at random whether to cut the time to whole seconds, if it then still follows the user's last time.

        Call it once a row: it remembers the time as written.
        """
        second = happened - happened % SECOND
        is_truncated = second > self.last[user] and self.rng.getrandbits(1) == 0
        self.last[user] = second if is_truncated else happened
        return is_truncated
