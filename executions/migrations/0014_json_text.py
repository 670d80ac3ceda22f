"""Items, responses and definitions move from jsonb to json, which keeps the order of fields and the numbers.

PostgreSQL rewrites the four tables, each once, and lets nobody read or write a table meanwhile: about a minute for
some gigabytes (see docs/operating.md). Rows from before keep the order that jsonb gave them.
"""

import django.contrib.postgres.indexes
from django.db import migrations, models
from django.db.models.functions import Cast

from workflow_platform.core.ordered_json import OrderedJSONField

COLUMNS = {
    "executions_execution": ["input", "error", "response", "replaced_input"],
    "executions_noderun": ["inputs", "output", "error"],
    "executions_wait": ["outcome"],
    "executions_workflowversion": ["nodes", "edges", "settings"],
}


def _retyped(type_: str) -> list[str]:
    """Return one statement for each table: each makes PostgreSQL write the table once."""
    return [
        f"ALTER TABLE {table} " + ", ".join(f"ALTER COLUMN {c} TYPE {type_} USING {c}::{type_}" for c in columns)
        for table, columns in COLUMNS.items()
    ]


class Migration(migrations.Migration):
    dependencies = [("executions", "0013_item_outcomes")]

    operations = [
        migrations.RemoveIndex("workflowversion", "workflowversion_paths"),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(_retyped("json"), _retyped("jsonb"))],
            state_operations=[
                migrations.AlterField("execution", "error", OrderedJSONField(null=True)),
                migrations.AlterField("execution", "input", OrderedJSONField(default=list, help_text="Items: a list of JSON objects.")),
                migrations.AlterField("execution", "replaced_input", OrderedJSONField(help_text="Edited input of a rerun: {node: [item]}, used instead of the stored input of the node.", null=True)),
                migrations.AlterField("execution", "response", OrderedJSONField(help_text='The response to a webhook: {"status", "headers", "body"}.', null=True)),
                migrations.AlterField("noderun", "error", OrderedJSONField(null=True)),
                migrations.AlterField("noderun", "inputs", OrderedJSONField(default=dict, help_text='Where its items came from: {input: [{"node", "run_index", "output"}]}; {} for the trigger.')),
                migrations.AlterField("noderun", "output", OrderedJSONField(help_text="{output: [item]}; the checkpoint that recovery continues from.", null=True)),
                migrations.AlterField("wait", "outcome", OrderedJSONField(help_text="The data that the node run continues with.", null=True)),
                migrations.AlterField("workflowversion", "edges", OrderedJSONField()),
                migrations.AlterField("workflowversion", "nodes", OrderedJSONField()),
                migrations.AlterField("workflowversion", "settings", OrderedJSONField(default=dict)),
            ],
        ),
        migrations.AddIndex(
            "workflowversion",
            django.contrib.postgres.indexes.GinIndex(models.Func(Cast("nodes", models.JSONField()), models.Value("$[*].parameters.path"), function="jsonb_path_query_array"), name="workflowversion_paths"),
        ),
    ]
