from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0032_trace_parent")]

    operations = [
        migrations.AddField(
            model_name="noderun",
            name="cost",
            field=models.JSONField(
                null=True,
                help_text="What it waited for and its outbound calls, over all attempts: {waits: {turn_ms, sandbox_ms,"
                " credential_ms, cache_ms, pause_ms}, calls: {count, repeated, dns_ms, connect_ms, tls_ms, first_byte_ms,"
                " transfer_ms, sent_bytes, received_bytes}}. What is zero is missing; null if nothing is left.",
            ),
        ),
    ]
