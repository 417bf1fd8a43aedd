"""Which stream the records of an event come from."""

import re

STREAM = re.compile(r"arn:[^:]+:kinesis:[^:]*:[^:]*:stream/([^/:]+)")  # a consumer's ARN goes on: /consumer/name:time


def stream_of(arn: str) -> str:
    """Return the name of the stream whose ARN this is, or that of a consumer with enhanced fan-out."""
    if not (matched := STREAM.match(arn)):
        raise ValueError(f"{arn} is not the ARN of a stream")
    return matched[1]
