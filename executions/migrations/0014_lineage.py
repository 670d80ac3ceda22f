from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0013_item_outcomes")]

    operations = [
        migrations.AddField(
            model_name="noderun",
            name="lineage",
            field=models.JSONField(
                null=True,
                help_text='Which input items the items of each output came from: {output: "same" or [origin]}. The'
                " input items are numbered over all inputs, sorted by the length of the name and the name. Missing:"
                " unknown.",
            ),
        ),
        migrations.AlterField(
            model_name="noderun",
            name="inputs",
            field=models.JSONField(
                default=dict,
                help_text='Where its items came from: {input: [{"node", "run_index", "output", "items"}]}; {} for the'
                " trigger.",
            ),
        ),
    ]
