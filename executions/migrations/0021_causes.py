"""Causes of failures."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0020_indexes_of_lists")]

    operations = [
        migrations.AddField(
            "execution",
            "cause",
            models.CharField(
                max_length=16,
                blank=True,
                default="",
                db_default="",
                help_text="Of a failed execution: equal for failures alike (executions.domain.failure_causes).",
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
    ]
