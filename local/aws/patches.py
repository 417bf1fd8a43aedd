"""What terraform and the SDKs trip over in moto's server; ``install()`` mends it. ``docs/local-aws.md`` lists it."""

# ruff: noqa: SLF001  # `_get_param` is how moto's own handlers read a request

import functools
import json
from collections.abc import Callable
from typing import Any

from moto.budgets.responses import BudgetsResponse
from moto.core.responses import BaseResponse
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.kinesis.responses import KinesisResponse
from moto.s3.models import FakeBucket

NOT_IMPLEMENTED = 501  # SDKs take it for final; moto's 500 they retry, and terraform does for an hour


def install() -> None:
    """Mend moto."""
    BaseResponse.call_action = _refuse_unknown(BaseResponse.call_action)  # type: ignore[method-assign]
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]
    KinesisResponse.create_stream = _with_tags(KinesisResponse.create_stream)  # type: ignore[method-assign]
    BudgetsResponse.create_budget = _keeping_tags(BudgetsResponse.create_budget)  # type: ignore[method-assign]
    BudgetsResponse.list_tags_for_resource = list_budget_tags  # type: ignore[attr-defined]
    BudgetsResponse.describe_subscribers_for_notification = describe_subscribers  # type: ignore[attr-defined]


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """Judge by the statements of a bucket's policy that have no condition; moto would apply the others always."""
    policy = json.loads(bucket.policy or '{"Statement": []}')
    policy["Statement"] = [statement for statement in policy["Statement"] if "Condition" not in statement]
    if not policy["Statement"]:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)


def describe_subscribers(request: BudgetsResponse) -> str:
    """Answer DescribeSubscribersForNotification."""
    budget = request.backend.budgets[request._get_param("AccountId")][request._get_param("BudgetName")]
    asked = request._get_param("Notification")
    found = [
        notification.subscribers
        for notification in budget.notifications
        if all(notification.details.get(name) == value for name, value in asked.items())
    ]
    return json.dumps({"Subscribers": found[0] if found else []})


def list_budget_tags(request: BudgetsResponse) -> str:
    """Answer ListTagsForResource."""
    name = request._get_param("ResourceARN").rpartition("/")[2]
    return json.dumps({"ResourceTags": request.backend.budgets[request.current_account][name].budget["tags"]})


def _refuse_unknown(call_action: Callable[[BaseResponse], Any]) -> Callable[[BaseResponse], Any]:
    @functools.wraps(call_action)
    def answer(request: BaseResponse) -> Any:
        try:
            return call_action(request)
        except NotImplementedError as error:
            body = json.dumps({"__type": "NotImplemented", "message": str(error)})
            return NOT_IMPLEMENTED, {"x-amzn-errortype": "NotImplemented"}, body

    return answer


def _with_tags(create_stream: Callable[[KinesisResponse], Any]) -> Callable[[KinesisResponse], Any]:
    @functools.wraps(create_stream)
    def answer(request: KinesisResponse) -> Any:
        made = create_stream(request)
        if tags := request._get_param("Tags"):
            request.kinesis_backend.add_tags_to_stream(None, request._get_param("StreamName"), tags)
        return made

    return answer


def _keeping_tags(create_budget: Callable[[BudgetsResponse], str]) -> Callable[[BudgetsResponse], str]:
    @functools.wraps(create_budget)
    def answer(request: BudgetsResponse) -> str:
        made = create_budget(request)
        budgets = request.backend.budgets[request._get_param("AccountId")]
        budgets[request._get_param("Budget")["BudgetName"]].budget["tags"] = request._get_param("ResourceTags", [])
        return made

    return answer
