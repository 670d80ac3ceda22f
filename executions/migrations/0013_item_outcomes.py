from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0012_binary")]

    operations = [
        migrations.AddField(
            model_name="noderun",
            name="failed_items",
            field=models.PositiveIntegerField(
                default=0, help_text="Input items that failed for good and went on as errors, as on_error says."
            ),
        ),
        migrations.CreateModel(
            name="ItemOutcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.PositiveIntegerField(help_text="The number of the input item, from 0.")),
                (
                    "outcome",
                    models.TextField(help_text='JSON: {"outputs": {output: [item]}} or {"error": {…}}.'),
                ),
                (
                    "node_run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.deletion.CASCADE,
                        related_name="item_outcomes",
                        to="executions.noderun",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="itemoutcome",
            constraint=models.UniqueConstraint(fields=("node_run", "item"), name="one_outcome_per_item"),
        ),
    ]
