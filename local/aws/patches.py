"""Fixes to moto's server for terraform and the SDKs; ``docs/local-aws.md`` lists them."""

# ruff: noqa: SLF001  # `_get_param` is how moto's own handlers read a request

import functools
import json
import threading
from collections.abc import Callable
from typing import Any

from moto.budgets.responses import BudgetsResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, BaseResponse
from moto.glue.responses import GlueResponse
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.kinesis.responses import KinesisResponse
from moto.s3.models import FakeBucket, FakeDeleteMarker

NOT_IMPLEMENTED = 501  # SDKs do not retry it; moto's 500 they do, and terraform for an hour


def patch(kind: type, **methods: Callable[..., Any]) -> None:
    """Replace methods of a class of moto's, or add those that it lacks."""
    for name, method in methods.items():
        setattr(kind, name, method)


def install() -> None:
    """Fix what belongs to no other module of this package."""
    patch(BaseResponse, call_action=_respond_not_implemented(BaseResponse.call_action))
    patch(GlueResponse, update_table=_rejecting_stale_versions(GlueResponse.update_table))
    patch(FakeBucket, get_permission=get_permission)
    patch(FakeDeleteMarker, dispose=lambda _: None)  # moto calls it where it deletes an object's last version
    patch(KinesisResponse, create_stream=_with_tags(KinesisResponse.create_stream))
    patch(
        BudgetsResponse,
        create_budget=_keeping_tags(BudgetsResponse.create_budget),
        list_tags_for_resource=list_tags_for_resource,
        describe_subscribers_for_notification=describe_subscribers_for_notification,
    )


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """Apply only those statements of a bucket's policy that have no condition; moto ignores conditions."""
    policy = json.loads(bucket.policy or '{"Statement": []}')
    policy["Statement"] = [statement for statement in policy["Statement"] if "Condition" not in statement]
    if not policy["Statement"]:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)


def describe_subscribers_for_notification(request: BudgetsResponse) -> str:
    """Return the subscribers of a budget's notification, which moto keeps but does not return."""
    budget = request.backend.budgets[request._get_param("AccountId")][request._get_param("BudgetName")]
    requested = request._get_param("Notification")
    matching = [
        notification.subscribers
        for notification in budget.notifications
        if all(notification.details.get(name) == value for name, value in requested.items())
    ]
    return json.dumps({"Subscribers": matching[0] if matching else []})


def list_tags_for_resource(request: BudgetsResponse) -> str:
    """Return a budget's tags, which moto does not know."""
    name = request._get_param("ResourceARN").rpartition("/")[2]
    return json.dumps({"ResourceTags": request.backend.budgets[request.current_account][name].budget["tags"]})


def _respond_not_implemented(call_action: Callable[[BaseResponse], Any]) -> Callable[[BaseResponse], Any]:
    @functools.wraps(call_action)
    def respond(request: BaseResponse) -> Any:
        try:
            return call_action(request)
        except NotImplementedError as error:
            body = json.dumps({"__type": "NotImplemented", "message": str(error)})
            return NOT_IMPLEMENTED, {"x-amzn-errortype": "NotImplemented"}, body

    return respond


def _rejecting_stale_versions(update_table: Callable[[GlueResponse], ActionResult]) -> Callable[..., ActionResult]:
    one_at_a_time = threading.Lock()

    @functools.wraps(update_table)
    def respond(request: GlueResponse) -> ActionResult:
        with one_at_a_time:
            database, name = request._get_param("DatabaseName"), request._get_param("TableInput")["Name"]
            current = request.glue_backend.get_table(database, name).as_dict()["VersionId"]
            if request._get_param("VersionId", current) != current:
                raise JsonRESTError(
                    "ConcurrentModificationException", "Update table failed due to concurrent modifications."
                )
            return update_table(request)

    return respond


def _with_tags(create_stream: Callable[[KinesisResponse], Any]) -> Callable[[KinesisResponse], Any]:
    @functools.wraps(create_stream)
    def respond(request: KinesisResponse) -> Any:
        response = create_stream(request)
        if tags := request._get_param("Tags"):
            request.kinesis_backend.add_tags_to_stream(None, request._get_param("StreamName"), tags)
        return response

    return respond


def _keeping_tags(create_budget: Callable[[BudgetsResponse], str]) -> Callable[[BudgetsResponse], str]:
    @functools.wraps(create_budget)
    def respond(request: BudgetsResponse) -> str:
        response = create_budget(request)
        budgets = request.backend.budgets[request._get_param("AccountId")]
        budgets[request._get_param("Budget")["BudgetName"]].budget["tags"] = request._get_param("ResourceTags", [])
        return response

    return respond
