"""The counts of what was made, to hold a job's counts against."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Truth:
    """``late`` and ``bots`` are of the distinct rows, so they are not lines of their own."""

    distinct: int = 0
    duplicates: int = 0
    conflicts: int = 0
    late: int = 0
    bots: int = 0
    malformed_by_kind: Counter[str] = field(default_factory=Counter)

    @property
    def malformed(self) -> int:
        """Lines that are not good rows."""
        return self.malformed_by_kind.total()

    @property
    def lines(self) -> int:
        """Every line that was sent."""
        return self.distinct + self.duplicates + self.conflicts + self.malformed

    def as_dict(self) -> dict[str, Any]:
        """Every count, by name."""
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
