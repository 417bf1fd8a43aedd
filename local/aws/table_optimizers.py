"""Glue's table optimizers in moto's server, which has none: they are kept and checked, and nothing runs."""

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import AlreadyExistsException, EntityNotFoundException, GlueClientError
from moto.glue.responses import GlueResponse

from local.aws.patches import patch

if TYPE_CHECKING:
    from moto.glue.models import FakeTable

CONFIGURATIONS = {  # what each kind needs; it takes no other's
    "compaction": "compactionConfiguration",
    "retention": "retentionConfiguration",
    "orphan_file_deletion": "orphanFileDeletionConfiguration",
}
NEEDED = ("roleArn", "enabled")


def install() -> None:
    """Let Glue keep optimizers."""
    patch(
        GlueResponse,
        create_table_optimizer=create_table_optimizer,
        get_table_optimizer=get_table_optimizer,
        update_table_optimizer=update_table_optimizer,
        delete_table_optimizer=delete_table_optimizer,
    )


def create_table_optimizer(request: GlueResponse) -> ActionResult:
    """Add an optimizer to an Iceberg table that has none of its kind."""
    kind, optimizers = _request(request)
    table = _table(request)
    parameters = [*table.versions.values()][-1].get("Parameters", {})
    if parameters.get("table_type", "").upper() != "ICEBERG":
        raise GlueClientError("InvalidInputException", f"Table {table.name} is not an Iceberg table.")
    if kind in optimizers:
        raise AlreadyExistsException("Table optimizer")
    optimizers[kind] = _configuration(request)
    return EmptyResult()


def get_table_optimizer(request: GlueResponse) -> ActionResult:
    """Return an optimizer as it was created or last updated."""
    kind, optimizers = _existing(request)
    names = {name: request.parameters[name] for name in ("CatalogId", "DatabaseName", "TableName")}
    return ActionResult({**names, "TableOptimizer": {"type": kind, "configuration": optimizers[kind]}})


def update_table_optimizer(request: GlueResponse) -> ActionResult:
    """Replace an optimizer's configuration, as a whole."""
    kind, optimizers = _existing(request)
    optimizers[kind] = _configuration(request)
    return EmptyResult()


def delete_table_optimizer(request: GlueResponse) -> ActionResult:
    """Delete an optimizer."""
    kind, optimizers = _existing(request)
    del optimizers[kind]
    return EmptyResult()


def _request(request: GlueResponse) -> tuple[str, dict[str, Any]]:
    """Return the kind that is asked for, and the table's optimizers by kind; they go when the table does."""
    return request.parameters["Type"], vars(_table(request)).setdefault("optimizers", {})


def _table(request: GlueResponse) -> "FakeTable":
    return request.glue_backend.get_table(request.parameters["DatabaseName"], request.parameters["TableName"])


def _existing(request: GlueResponse) -> tuple[str, dict[str, Any]]:
    kind, optimizers = _request(request)
    if kind not in optimizers:
        raise EntityNotFoundException(f"The table has no optimizer of type {kind}.")
    return kind, optimizers


def _configuration(request: GlueResponse) -> dict[str, Any]:
    given: dict[str, Any] = request.parameters["TableOptimizerConfiguration"]
    own = CONFIGURATIONS[request.parameters["Type"]]
    others = {*CONFIGURATIONS.values()} - {own}
    if others & given.keys() or not {*NEEDED} <= given.keys():
        raise GlueClientError("ValidationException", f"A configuration has {', '.join(NEEDED)} and perhaps {own}.")
    return given
