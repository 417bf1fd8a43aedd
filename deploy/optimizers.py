"""Glue's table optimizers: they compact the Iceberg tables, expire snapshots and delete orphan files."""

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from deploy import ddl
from deploy.account import DATABASE, Account, is_missing
from deploy.plan import Fields

ROLE = "table-optimizer"  # local.services of terraform
KINDS = ("compaction", "retention", "orphan_file_deletion")


@dataclass(frozen=True)
class TableOptimizer:
    """An optimizer of a table; ``configuration`` None: it must not exist."""

    kind: str
    table: str
    configuration: Fields | None
    account: Account

    @property
    def title(self) -> str:
        return f"optimizer {self.table} {self.kind}"

    @property
    def desired(self) -> Fields | None:
        return self.configuration

    def actual(self) -> Fields | None:
        """Read its configuration; a table that does not exist has none."""
        try:
            answer = self.account.client("glue").get_table_optimizer(**self._key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        found: Fields = answer["TableOptimizer"]["configuration"]
        return found

    def create(self) -> None:
        self.account.client("glue").create_table_optimizer(**self._key, TableOptimizerConfiguration=self.configuration)

    def update(self) -> None:
        self.account.client("glue").update_table_optimizer(**self._key, TableOptimizerConfiguration=self.configuration)

    def delete(self) -> None:
        self.account.client("glue").delete_table_optimizer(**self._key)

    @property
    def _key(self) -> dict[str, str]:
        return {
            "CatalogId": self.account.number,
            "DatabaseName": DATABASE,
            "TableName": self.table,
            "Type": self.kind,
        }


def resources(account: Account, *, are_desired: bool = True) -> Iterator[TableOptimizer]:
    """Give the optimizers of every Iceberg table."""
    for table in ddl.tables(f"s3://{account.bucket('lake')}"):
        if table.is_iceberg:
            for kind in KINDS:
                is_desired = are_desired and account.settings.table_optimizers.enabled
                desired = configuration(account, kind, table.location) if is_desired else None
                yield TableOptimizer(kind, table.name, desired, account)


def configuration(account: Account, kind: str, location: str) -> Fields:
    """Return the whole configuration, with what are Glue's defaults today."""
    settings = account.settings.table_optimizers
    run_rate = {"runRateInHours": settings.run_rate_hours}
    of_kind: Fields = {
        "compaction": {
            "compactionConfiguration": {
                "icebergConfiguration": {
                    "strategy": "binpack",
                    "minInputFiles": settings.min_input_files,
                    "deleteFileThreshold": settings.delete_file_threshold,
                }
            }
        },
        "retention": {
            "retentionConfiguration": {
                "icebergConfiguration": {
                    "snapshotRetentionPeriodInDays": settings.snapshot_retention_days,
                    "numberOfSnapshotsToRetain": settings.snapshots_to_retain,
                    "cleanExpiredFiles": True,
                    **run_rate,
                }
            }
        },
        "orphan_file_deletion": {
            "orphanFileDeletionConfiguration": {
                "icebergConfiguration": {
                    "orphanFileRetentionPeriodInDays": settings.orphan_retention_days,
                    "location": location,
                    **run_rate,
                }
            }
        },
    }
    return {"roleArn": account.role(ROLE), "enabled": True, **of_kind[kind]}
