"""Node runs get the digest of their output, and what they exchanged with other systems. Quick: no table is rewritten."""

from django.db import migrations, models

from workflow_platform.core.ordered_json import OrderedJSONField


class Migration(migrations.Migration):
    dependencies = [("executions", "0016_static_data")]

    operations = [
        migrations.AddField(
            "noderun",
            "digest",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The canonical digest of its output (executions.domain.digests); empty until it is known.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            "noderun",
            "request_digest",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The digest of all requests to other systems; empty if there were none.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            "noderun",
            "exchange",
            OrderedJSONField(
                help_text="What it sent to other systems and received, redacted and bounded; see executions.nodes.exchanges.",
                null=True,
            ),
        ),
    ]
