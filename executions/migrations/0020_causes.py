"""Causes of failures. Those of earlier failures are computed in batches, without a lock on the table."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from executions.domain.causes import cause_of

BATCH = 500
FAILED = ["failed", "timed_out"]


def fill(apps: Any, schema_editor: Any) -> None:
    """Set the cause of earlier failures, newest first."""
    executions = apps.get_model("executions", "Execution").objects.using(schema_editor.connection.alias)
    failures = executions.filter(status__in=FAILED, ended_at__isnull=False).order_by("-id")
    last = None
    while batch := list((failures.filter(pk__lt=last) if last else failures).only("workflow_id", "error")[:BATCH]):
        for row in batch:
            cause = cause_of(row.error)
            row.cause, row.failed_node = cause.digest(str(row.workflow_id)), cause.node[:100]
        executions.bulk_update(batch, ["cause", "failed_node"])
        last = batch[-1].pk


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY, and one transaction for each batch

    dependencies = [("executions", "0019_indexes_of_lists")]

    operations = [
        migrations.AddField(
            "execution",
            "cause",
            models.CharField(
                max_length=16,
                blank=True,
                default="",
                db_default="",
                help_text="Of a failed execution: equal for failures alike (executions.domain.causes).",
            ),
        ),
        migrations.AddField(
            "execution",
            "failed_node",
            models.CharField(
                max_length=100,
                blank=True,
                default="",
                db_default="",
                help_text="The node that made the execution fail.",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        AddIndexConcurrently(
            "execution",
            models.Index(
                fields=["workspace", "cause", "-id"],
                name="execution_by_cause",
                condition=~models.Q(cause=""),
            ),
        ),
        AddIndexConcurrently(
            "execution",
            models.Index(
                fields=["workflow", "failed_node", "-id"],
                name="execution_by_failed_node",
                condition=~models.Q(failed_node=""),
            ),
        ),
    ]
