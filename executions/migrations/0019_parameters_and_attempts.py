"""Node runs get their parameters after expressions, and their earlier attempts. Quick: no table is rewritten."""

from django.db import migrations

from workflow_platform.core.ordered_json import OrderedJSONField


class Migration(migrations.Migration):
    dependencies = [("executions", "0018_rerun_choices")]

    operations = [
        migrations.AddField(
            "noderun",
            "parameters",
            OrderedJSONField(
                help_text="Its parameters after expressions, of one item, redacted and bounded: {item, values, truncated}."
                " Null if there are no expressions, or none was evaluated.",
                null=True,
            ),
        ),
        migrations.AddField(
            "noderun",
            "attempts",
            OrderedJSONField(
                help_text="The attempts before the last one: [{attempt, ended_at, duration_ms, error}].", null=True
            ),
        ),
    ]
