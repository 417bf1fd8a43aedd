"""CloudWatch Logs of a job's run or of a function."""

import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import Account, is_missing

JOB_GROUPS = ("/aws-glue/jobs/output", "/aws-glue/jobs/error")
HOUR_MS = 3_600_000


def of_run(account: Account, run_id: str) -> list[str]:
    """Return the standard output and error of a job's run, as far as CloudWatch has them."""
    return [text for group in JOB_GROUPS for text in _read(account, group, logStreamNamePrefix=run_id)]


def of_function(account: Account, name: str) -> list[str]:
    """Return a function's log of the last hour."""
    return list(_read(account, f"/aws/lambda/{name}", startTime=int(time.time() * 1000) - HOUR_MS))


def _read(account: Account, group: str, **selection: Any) -> Iterator[str]:
    pages = account.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, **selection)
    try:
        for page in pages:
            yield from (event["message"].rstrip("\n") for event in page["events"])
    except ClientError as error:
        if not is_missing(error):
            raise
