"""Indexes for lists of executions: by version, trigger, status and duration. None locks the table for long."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ENDED = models.Q(ended_at__isnull=False)
DURATION = models.F("ended_at") - models.F("started_at")


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY

    dependencies = [("executions", "0018_rerun_choices")]

    operations = [
        AddIndexConcurrently("execution", models.Index(fields=["version", "-id"], name="execution_of_version")),
        AddIndexConcurrently(
            "execution", models.Index(fields=["workspace", "trigger", "-id"], name="execution_by_trigger")
        ),
        AddIndexConcurrently(
            "execution",
            models.Index(fields=["workspace", "status", "-id"], name="execution_by_status", condition=ENDED),
        ),
        AddIndexConcurrently(
            "execution",
            models.Index(
                "workspace",
                DURATION.desc(),
                models.F("id").desc(),
                name="execution_by_duration",
                condition=ENDED & models.Q(started_at__isnull=False),
            ),
        ),
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
