"""How many rows of each kind were sent: what a job's counts must agree with."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ExpectedCounts:
    """Lines by kind; ``late`` and ``bots`` are counted among the ``distinct`` ones."""

    distinct: int = 0
    duplicates: int = 0
    conflicts: int = 0
    late: int = 0
    bots: int = 0
    malformed_by_kind: Counter[str] = field(default_factory=Counter)

    @property
    def malformed(self) -> int:
        return self.malformed_by_kind.total()

    @property
    def lines(self) -> int:
        return self.distinct + self.duplicates + self.conflicts + self.malformed

    def as_dict(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "distinct": self.distinct,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "malformed": self.malformed,
            "malformed_by_kind": dict(sorted(self.malformed_by_kind.items())),
            "late": self.late,
            "bots": self.bots,
        }
