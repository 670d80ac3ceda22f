"""The numbers of transactions come from functions, so that data can be moved to another cluster."""

from django.db import migrations

from events.log import transactions


class Migration(migrations.Migration):
    dependencies = [("events", "0007_retention")]

    operations = [
        migrations.RunSQL(
            transactions.define(),
            "DROP FUNCTION events_current_transaction(); DROP FUNCTION events_safe_before()",
        )
    ]
