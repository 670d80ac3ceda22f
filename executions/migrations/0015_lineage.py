from __future__ import annotations

from django.db import migrations

from workflow_platform.core.ordered_json import OrderedJSONField


class Migration(migrations.Migration):
    dependencies = [("executions", "0014_json_text")]

    operations = [
        migrations.AddField(
            model_name="noderun",
            name="lineage",
            field=OrderedJSONField(
                null=True,
                help_text='Which input items the items of each output came from: {output: "same" or [origin]}. The'
                " input items are numbered over all inputs, sorted by the length of the name and the name. Missing:"
                " unknown.",
            ),
        ),
        migrations.AlterField(
            model_name="noderun",
            name="inputs",
            field=OrderedJSONField(
                default=dict,
                help_text='Where its items came from: {input: [{"node", "run_index", "output", "items"}]}; {} for the'
                " trigger.",
            ),
        ),
    ]
