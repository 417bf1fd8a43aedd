"""Table optimizers, as the local AWS keeps them: each Iceberg table's are what the settings say."""

import pytest

from deploy import optimizers, plan, tables
from deploy.account import DATABASE, Account
from deploy.settings import Settings
from local import aws

pytestmark = pytest.mark.server
ICEBERG = {"events", "session_events", "sessions", "page_counts", "quarantine"}


@pytest.fixture
def account(endpoint, monkeypatch):
    for name, value in aws.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return Account.of(Settings.read("dev"), endpoint)


@pytest.fixture(autouse=True)
def catalog(account):
    """Declare the tables; they go, and their optimizers with them."""
    glue = account.client("glue")
    account.client("s3").create_bucket(Bucket=account.bucket("lake"))
    glue.create_database(DatabaseInput={"Name": DATABASE})
    account.client("athena").create_work_group(
        Name=account.settings.athena.workgroup, Configuration={"ResultConfiguration": {"OutputLocation": "s3://lake/"}}
    )
    for resource in tables.resources(account):
        resource.create()
    yield
    account.client("athena").delete_work_group(WorkGroup=account.settings.athena.workgroup)
    glue.delete_database(Name=DATABASE)


def changes(account, **arguments):
    return [change for change in map(plan.change, optimizers.resources(account, **arguments)) if change]


def apply(account, **arguments):
    done = changes(account, **arguments)
    for change in done:
        change.apply()
    return {(change.action, change.resource.title) for change in done}


def test_each_iceberg_table_has_one_of_each_kind_and_a_second_apply_changes_nothing(account):
    kinds = ("compaction", "retention", "orphan_file_deletion")
    expected = {f"optimizer {table} {kind}" for table in ICEBERG for kind in kinds}
    assert apply(account) == {("create", title) for title in expected}
    assert changes(account) == []
    key = {"CatalogId": account.number, "DatabaseName": DATABASE, "TableName": "sessions", "Type": "retention"}
    assert account.client("glue").get_table_optimizer(**key)["TableOptimizer"]["configuration"] == {
        "roleArn": account.role("table-optimizer"),
        "enabled": True,
        "retentionConfiguration": {
            "icebergConfiguration": {
                "snapshotRetentionPeriodInDays": 5,
                "numberOfSnapshotsToRetain": 1,
                "cleanExpiredFiles": True,
                "runRateInHours": 24,
            }
        },
    }
    assert apply(account, are_desired=False) == {("delete", title) for title in expected}
    assert changes(account, are_desired=False) == []


def test_what_was_changed_by_hand_is_shown_and_set_right(account):
    apply(account)
    (retention,) = [r for r in optimizers.resources(account) if r.title == "optimizer events retention"]
    by_hand = {**retention.desired, "enabled": False}
    account.client("glue").update_table_optimizer(**retention._key, TableOptimizerConfiguration=by_hand)  # noqa: SLF001
    (change,) = changes(account)
    assert (change.resource.title, [str(difference) for difference in change.differences]) == (
        "optimizer events retention", ["enabled: False -> True"]
    )  # fmt: skip
    change.apply()
    assert changes(account) == []


def test_a_stage_without_optimizers_has_none(account):
    apply(account)
    disabled = account.settings.table_optimizers.model_copy(update={"enabled": False})
    without = Account(
        account.settings.model_copy(update={"table_optimizers": disabled}), account.number, account.endpoint_url
    )
    assert {action for action, _ in apply(without)} == {"delete"}
    assert changes(without) == []


def test_the_local_aws_takes_no_optimizer_that_glue_would_not(account):
    glue, optimizer = account.client("glue"), next(optimizers.resources(account))
    given = {"TableOptimizerConfiguration": optimizer.desired}
    key = optimizer._key  # noqa: SLF001
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.update_table_optimizer(**key, **given)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.create_table_optimizer(**key | {"TableName": "nowhere"}, **given)
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.create_table_optimizer(**key | {"TableName": "clickstream"}, **given)
    with pytest.raises(glue.exceptions.ValidationException):
        glue.create_table_optimizer(**key | {"Type": "retention"}, **given)
    glue.create_table_optimizer(**key, **given)
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_table_optimizer(**key, **given)
