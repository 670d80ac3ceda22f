"""Causes of earlier failures, computed in batches, and the indexes on them. Nothing locks the table for long."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from executions.domain.failure_causes import FailureCause

BATCH = 500
FAILED = ["failed", "timed_out"]
INDEXES = [
    models.Index(fields=["workspace", "cause", "-id"], name="execution_by_cause", condition=~models.Q(cause="")),
    models.Index(
        fields=["workflow", "failed_node", "-id"],
        name="execution_by_failed_node",
        condition=~models.Q(failed_node=""),
    ),
]


def fill(apps: Any, schema_editor: Any) -> None:
    """Set the cause of earlier failures, newest first."""
    executions = apps.get_model("executions", "Execution").objects.using(schema_editor.connection.alias)
    failures = executions.filter(status__in=FAILED, ended_at__isnull=False, cause="").order_by("-id")
    last = None
    while batch := list((failures.filter(pk__lt=last) if last else failures).only("workflow_id", "error")[:BATCH]):
        for row in batch:
            cause = FailureCause.of_end(row.error)
            row.cause, row.failed_node = cause.id_in(str(row.workflow_id)), cause.node[:100]
        executions.bulk_update(batch, ["cause", "failed_node"])
        last = batch[-1].pk


def built(index: models.Index) -> list[migrations.operations.base.Operation]:
    """Return the operations that build an index, also after an attempt that was interrupted."""
    drop = migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}", migrations.RunSQL.noop)
    return [drop, AddIndexConcurrently("execution", index)]


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY, and one transaction for each batch

    dependencies = [("executions", "0021_causes")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        *[operation for index in INDEXES for operation in built(index)],
    ]
