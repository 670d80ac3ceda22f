from django.db import migrations, models

from workflow_platform.core.ordered_json import OrderedJSONField


class Migration(migrations.Migration):
    dependencies = [("executions", "0022_earlier_causes")]

    operations = [
        migrations.CreateModel(
            name="ItemChild",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempt", models.PositiveIntegerField()),
                ("item", models.PositiveIntegerField(help_text="The number of the input item, from 0.")),
                ("workflow_id", models.UUIDField(help_text="The workflow to start.")),
                ("input", OrderedJSONField(null=True, help_text="The item, until its child starts.")),
                ("started_at", models.DateTimeField(null=True)),
                (
                    "ended_at",
                    models.DateTimeField(
                        null=True,
                        help_text="When the child ended, or could not start. If nothing waits for it, when it started.",
                    ),
                ),
                ("outcome", OrderedJSONField(null=True, help_text="How the child ended, until the node run ends.")),
                (
                    "child",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="+",
                        to="executions.execution",
                    ),
                ),
                (
                    "node_run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.deletion.CASCADE,
                        related_name="item_children",
                        to="executions.noderun",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["node_run", "attempt", "item"], name="one_child_per_item_and_attempt"
                    ),
                ],
                "indexes": [
                    models.Index(
                        fields=["node_run", "attempt", "item"],
                        name="item_child_planned",
                        condition=models.Q(started_at__isnull=True, ended_at__isnull=True),
                    ),
                    models.Index(
                        fields=["child"], name="item_child_started", condition=models.Q(child__isnull=False)
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="wait",
            name="children",
            field=models.JSONField(
                null=True,
                help_text="Child executions of items that it waits for: how many, how many at a time, started, ended,"
                " failed.",
            ),
        ),
        migrations.AddIndex(
            model_name="wait",
            index=models.Index(
                fields=["id"],
                name="wait_for_children",
                condition=models.Q(children__isnull=False, resolved_at__isnull=True),
            ),
        ),
    ]
