"""What a job ends with when its caller can do something about it; the message is one sentence.

ClickstreamError
├── ArgumentError          an argument is missing, unknown or has a wrong value
├── InputError             what the job reads is not there, or cannot be read
├── TableError             a table is missing or has another schema
├── CountsError            read is not the sum of its outcomes
├── QuarantineRatioError   too much of the input breaks rules
├── ConcurrentCommitError  another writer committed first
├── PutError               a stream is not there, or does not take the records
└── StreamError            a streaming query ended; what it had committed stays
"""


class ClickstreamError(Exception):
    """The root of what a caller can do something about."""


class ArgumentError(ClickstreamError):
    """An argument is missing, unknown or has a wrong value."""


class InputError(ClickstreamError):
    """What the job reads is not there, or cannot be read."""


class TableError(ClickstreamError):
    """A table is missing or has another schema."""


class CountsError(ClickstreamError):
    """Read is not the sum of its outcomes."""


class QuarantineRatioError(ClickstreamError):
    """Too much of the input breaks rules."""


class StreamError(ClickstreamError):
    """A streaming query ended; what it had committed stays, and the next run goes on from there."""


class PutError(ClickstreamError):
    """A stream is not there, or does not take the records."""


class ConcurrentCommitError(ClickstreamError):
    """Another writer committed to the table since this run read it."""
