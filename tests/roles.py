"""Requests as the local AWS records them -> what a role must allow for them; and whether its policy does."""

import json
import re
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from local.aws.kinesis import ShardIterator

NOT_FOUND = 404
IS_MET = {
    "StringEquals": lambda wanted, value: value in wanted,
    "StringLike": lambda wanted, value: value is not None and any(fnmatchcase(value, one) for one in wanted),
    "StringLikeIfExists": lambda wanted, value: value is None or any(fnmatchcase(value, one) for one in wanted),
}


class Call(NamedTuple):
    """What is asked of a role: an action on a resource, with the keys of the request that conditions name."""

    action: str
    resource: str
    keys: tuple[tuple[str, str], ...] = ()


def calls(request, account):
    """List what a request needs, all of it."""
    if request["service"] == "s3":
        return set(of_s3(request))
    given = json.loads(request["body"] or "{}")
    action = f"{request['service']}:{request['action']}"
    if request["service"] == "glue":
        table = given.get("Name") or given["TableInput"]["Name"]
        is_table = request["action"].endswith("Table")
        tables = [f"table/{given['DatabaseName']}/{table}"] if is_table else []
        database = given["DatabaseName"] if is_table else given["Name"]
        return {Call(action, account.arn("glue", one)) for one in ["catalog", f"database/{database}", *tables]}
    if request["service"] == "kinesis":
        if "ShardIterator" in given:
            given["StreamName"] = ShardIterator.decode(given["ShardIterator"]).stream
        return {Call(action, given.get("StreamARN") or account.arn("kinesis", f"stream/{given['StreamName']}"))}
    raise AssertionError(request)


def of_s3(request):
    """Name the actions of a request to S3.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    """
    bucket, _, key = unquote(request["path"]).removeprefix("/").partition("/")
    query = parse_qs(request["query"], keep_blank_values=True)
    bucket_arn = f"arn:aws:s3:::{bucket}"
    method = request["method"]
    if not key and method in {"GET", "HEAD"}:
        prefix = query.get("prefix", [])
        yield Call("s3:ListBucket", bucket_arn, tuple(("s3:prefix", one) for one in prefix))
    elif not key:
        assert (method, list(query)) == ("POST", ["delete"]), request
        for deleted in re.findall("<Key>(.*?)</Key>", request["body"]):
            yield Call("s3:DeleteObject", f"{bucket_arn}/{deleted}")
    elif method in {"GET", "HEAD"}:
        yield Call("s3:GetObject", f"{bucket_arn}/{key}")
        if request["status"] == NOT_FOUND:  # without this S3 says 403, and a HEAD has no prefix
            yield Call("s3:ListBucket", bucket_arn)
    elif method == "COPY":
        yield Call("s3:GetObject", f"arn:aws:s3:::{unquote(request['source']).removeprefix('/')}")
        yield Call("s3:PutObject", f"{bucket_arn}/{key}")
    elif method == "DELETE":
        yield Call("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", f"{bucket_arn}/{key}")
    else:
        yield Call("s3:PutObject", f"{bucket_arn}/{key}")


def is_allowed(policy, call):
    """Whether a statement of the policy allows a call."""
    return any(_allows(statement, call) for statement in policy["Statement"])


def grants(policy):
    """Give each action of a policy on each resource that it names."""
    for statement in policy["Statement"]:
        for action in _list(statement["Action"]):
            for resource in _list(statement["Resource"]):
                yield action, resource


def _allows(statement, call):
    keys = dict(call.keys)
    conditions = statement.get("Condition", {})
    return (
        statement["Effect"] == "Allow"
        and call.action in _list(statement["Action"])
        and any(fnmatchcase(call.resource, one) for one in _list(statement["Resource"]))
        and all(
            IS_MET[operator](_list(wanted), keys.get(key))
            for operator, of_keys in conditions.items()
            for key, wanted in of_keys.items()
        )
    )


def _list(value):
    return value if isinstance(value, list) else [value]
