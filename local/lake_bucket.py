"""A lake in a bucket, without Spark and boto3: it is one of the local AWS."""

import os

from clickstream.errors import TableError


def endpoint(lake: str) -> str:
    """Return where the local AWS listens, as the environment says; raise ``TableError`` where it does not."""
    if "AWS_ENDPOINT_URL" not in os.environ:
        raise TableError(f"{lake} is looked for in the local AWS: run python -m local aws, and export what it prints")
    return os.environ["AWS_ENDPOINT_URL"]
