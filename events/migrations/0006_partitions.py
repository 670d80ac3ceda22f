"""The event table is cut by day: a partitioned table takes the place of the plain one, with its rows."""

import django.db.models.deletion
from django.db import migrations, models

CREATE = """
ALTER TABLE events_event RENAME TO events_event_before;
CREATE TABLE events_event (
    id uuid NOT NULL,
    stream_id bigint NOT NULL,
    sequence bigint NOT NULL CONSTRAINT sequences_begin_at_1 CHECK (sequence >= 1),
    feed_sequence bigint,
    workflow_sequence bigint,
    type varchar(60) NOT NULL,
    source varchar(60) NOT NULL,
    time timestamptz NOT NULL,
    execution_id uuid,
    workflow_id uuid,
    workspace_id uuid,
    transaction bigint NOT NULL,
    data jsonb NOT NULL,
    CONSTRAINT event_key PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE events_event_kept PARTITION OF events_event DEFAULT;
"""


def create(apps, schema_editor):
    from events.log import partitions

    schema_editor.execute(CREATE)
    for statement in partitions.index_statements(partitions.KEPT):
        schema_editor.execute(statement.as_string(schema_editor.connection.connection))
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT (date_trunc('day', time AT TIME ZONE 'UTC'))::date FROM events_event_before")
        days = [row[0] for row in cursor.fetchall()]
    partitions.make(days)
    partitions.ensure()
    columns = "id, stream_id, sequence, feed_sequence, workflow_sequence, type, source, time, execution_id, workflow_id"
    schema_editor.execute(
        f"INSERT INTO events_event ({columns}, workspace_id, transaction, data)"
        f" SELECT {', '.join('e.' + c for c in columns.split(', '))}, s.workspace_id, 0, e.data"
        " FROM events_event_before e JOIN events_stream s ON s.id = e.stream_id"
    )
    schema_editor.execute("DROP TABLE events_event_before")


class Migration(migrations.Migration):
    dependencies = [("events", "0005_system_stream"), ("accounts", "0003_idempotency")]

    operations = [
        migrations.AddField("stream", "removed_through", models.BigIntegerField(default=0, help_text="Events up to this sequence have been removed by retention.")),
        migrations.AddField("stream", "last_transaction", models.BigIntegerField(default=0, help_text="The greatest `transaction` among its events.")),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(create, migrations.RunPython.noop)],
            state_operations=[
                migrations.RemoveConstraint("event", "one_event_per_sequence"),
                migrations.RemoveConstraint("event", "sequences_start_at_1"),
                migrations.RemoveConstraint("event", "one_event_per_feed_sequence"),
                migrations.RemoveConstraint("event", "one_event_per_workflow_sequence"),
                migrations.RemoveIndex("event", "event_time_brin"),
                migrations.AlterField("event", "stream", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="events", to="events.stream")),
                migrations.AddField("event", "workspace", models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="accounts.workspace")),
                migrations.AddField("event", "transaction", models.BigIntegerField(help_text="Order over streams, with stream and sequence: its transaction's number, or that of what precedes.")),
            ],
        ),
    ]
