"""Seeded producers of every input format, with controlled duplicates, conflicts, late, malformed and bot rows.

``produce`` writes a raw archive; ``arrivals`` yields the same rows, for a producer that puts them elsewhere.
``live_arrivals`` yields rows that happen now; ``stream.send`` puts them into Kinesis as they become due.
"""

from simulator.expected import ExpectedCounts
from simulator.live import Live
from simulator.options import Options
from simulator.producer import FORMATS, arrivals, live_arrivals, produce

__all__ = ["FORMATS", "ExpectedCounts", "Live", "Options", "arrivals", "live_arrivals", "produce"]
