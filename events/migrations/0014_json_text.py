"""The data of events moves from jsonb to json: history shows the fields in the order in which they were published.

PostgreSQL rewrites all partitions, and lets nobody read or write events meanwhile (see docs/operating.md).
"""

from django.db import migrations

from workflow_platform.core.ordered_json import OrderedJSONField

RETYPED = "ALTER TABLE events_event ALTER COLUMN data TYPE {0} USING data::{0}"


class Migration(migrations.Migration):
    dependencies = [("events", "0013_mode")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(RETYPED.format("json"), RETYPED.format("jsonb"))],
            state_operations=[migrations.AlterField("event", "data", OrderedJSONField())],
        ),
    ]
