"""Seeded producers of every input shape, with controlled duplicates, conflicts, late, malformed and bot rows.

``produce`` writes a raw archive; ``arrivals`` is the same rows as an iterator, for a producer that puts them elsewhere.
"""

from simulator.options import Options
from simulator.producer import SHAPES, arrivals, produce
from simulator.truth import Truth

__all__ = ["SHAPES", "Options", "Truth", "arrivals", "produce"]
