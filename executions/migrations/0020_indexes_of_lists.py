"""Indexes for lists of executions: by version, trigger, status and duration. None locks the table for long."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ENDED = models.Q(ended_at__isnull=False)
DURATION = models.F("ended_at") - models.F("started_at")


INDEXES = [
    models.Index(fields=["version", "-id"], name="execution_of_version"),
    models.Index(fields=["workspace", "trigger", "-id"], name="execution_by_trigger"),
    models.Index(fields=["workspace", "status", "-id"], name="execution_by_status", condition=ENDED),
    models.Index(
        "workspace",
        DURATION.desc(),
        models.F("id").desc(),
        name="execution_by_duration",
        condition=ENDED & models.Q(started_at__isnull=False),
    ),
]


def built(index: models.Index) -> list[migrations.operations.base.Operation]:
    """Return the operations that build an index, also after an attempt that was interrupted."""
    drop = migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}", migrations.RunSQL.noop)
    return [drop, AddIndexConcurrently("execution", index)]


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY

    dependencies = [("executions", "0019_parameters_and_attempts")]

    operations = [
        *[operation for index in INDEXES for operation in built(index)],
        migrations.AlterField(  # drops its index: execution_of_version begins with the version
            "execution",
            "version",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="executions",
                to="executions.workflowversion",
            ),
        ),
    ]
