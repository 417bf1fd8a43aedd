"""Seeded producers of every input shape, with controlled duplicates, conflicts, late, malformed and bot rows.

``produce`` writes a raw archive; ``arrivals`` is the same rows as an iterator, for a producer that puts them elsewhere.
``live_arrivals`` happen now, and ``stream.send`` puts them into Kinesis as their time comes.
"""

from simulator.expected import Truth
from simulator.live import Live
from simulator.options import Options
from simulator.producer import SHAPES, arrivals, live_arrivals, produce

__all__ = ["SHAPES", "Live", "Options", "Truth", "arrivals", "live_arrivals", "produce"]
