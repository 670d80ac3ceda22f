"""Rollups of executions by minute and hour, and where they begin: with the first event of the log."""

import django.contrib.postgres.fields
import django.db.models.deletion
import executions.models.rollup
from django.db import migrations, models


def begin_with_the_first_event(apps, schema_editor):
    apps.get_model("executions", "RollupPosition").objects.get_or_create(pk=1)


class Migration(migrations.Migration):

    dependencies = [
        ('executions', '0030_node_groupings'),
    ]

    operations = [
        migrations.CreateModel(
            name='NodeTotal',
            fields=[
                ('node_type', models.CharField(max_length=60, primary_key=True, serialize=False)),
                ('runs', models.BigIntegerField()),
                ('failed', models.BigIntegerField()),
                ('retries', models.BigIntegerField()),
                ('cached', models.BigIntegerField()),
                ('items', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
                ('duration_ms', models.FloatField()),
                ('histogram', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=executions.models.rollup.empty_histogram, size=None)),
            ],
        ),
        migrations.CreateModel(
            name='ExecutionTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('trigger', models.CharField(max_length=10)),
                ('event', models.CharField(help_text='What happened to them: queued, started, or how they ended.', max_length=10)),
                ('count', models.BigIntegerField()),
                ('milliseconds', models.FloatField(help_text='Their durations; of `started`, their times in the queue.')),
                ('histogram', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=executions.models.rollup.empty_histogram, size=None)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('trigger', 'event'), name='one_total_per_trigger_and_event')],
            },
        ),
        migrations.CreateModel(
            name='RollupPosition',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('transaction', models.BigIntegerField(default=1, help_text='Imported events have 0: they are not counted.')),
                ('stream_id', models.BigIntegerField(default=0)),
                ('sequence', models.BigIntegerField(default=0)),
                ('counted_at', models.DateTimeField(help_text='When all events that could be read were counted.', null=True)),
                ('folded_at', models.DateTimeField(help_text='When old rows were last folded and removed.', null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_row_of_rollup_position')],
            },
        ),
        migrations.CreateModel(
            name='ExecutionRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField(help_text='The beginning of the minute or hour.')),
                ('seconds', models.PositiveSmallIntegerField(help_text='60 or 3600.')),
                ('trigger', models.CharField(help_text='What started them; reruns have their own, `rerun`.', max_length=10)),
                ('queued', models.PositiveIntegerField()),
                ('started', models.PositiveIntegerField()),
                ('completed', models.PositiveIntegerField(help_text='Including those with a cached result.')),
                ('failed', models.PositiveIntegerField()),
                ('cancelled', models.PositiveIntegerField()),
                ('timed_out', models.PositiveIntegerField()),
                ('cached', models.PositiveIntegerField(help_text='Completed with the cached result of another; no node ran.')),
                ('duration_ms', models.FloatField(help_text='The sum of the durations of the completed ones that ran.')),
                ('durations', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), default=executions.models.rollup.empty_histogram, help_text='Their histogram.', size=None)),
                ('wait_ms', models.FloatField(help_text='The sum of the times from queueing to start, of the started ones.')),
                ('waits', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), default=executions.models.rollup.empty_histogram, help_text='Their histogram.', size=None)),
                ('workflow', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='executions.workflow')),
            ],
            options={
                'indexes': [models.Index(fields=['began_at'], name='execution_rollup_began')],
                'constraints': [models.UniqueConstraint(fields=('workflow', 'began_at', 'seconds', 'trigger'), name='one_rollup_per_workflow_and_time')],
            },
        ),
        migrations.CreateModel(
            name='NodeRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField(help_text='The beginning of the minute or hour.')),
                ('seconds', models.PositiveSmallIntegerField(help_text='60 or 3600.')),
                ('node', models.CharField(max_length=100)),
                ('node_type', models.CharField(max_length=60)),
                ('runs', models.PositiveIntegerField(help_text='Ended runs: completed and failed, from the cache or not.')),
                ('failed', models.PositiveIntegerField(help_text='Runs that failed for good, whatever followed.')),
                ('retries', models.PositiveIntegerField(help_text='Failed attempts after which another followed.')),
                ('cached', models.PositiveIntegerField(help_text='Runs whose output came from the cache.')),
                ('items', models.BigIntegerField(help_text='Output items.')),
                ('failed_items', models.BigIntegerField()),
                ('bytes', models.BigIntegerField(help_text='The size of the outputs.')),
                ('cpu_ms', models.FloatField(help_text='The sum of the CPU time, where it is known.')),
                ('memory_bytes', models.BigIntegerField(help_text='The most memory of a run, where it is known.', null=True)),
                ('duration_ms', models.FloatField(help_text='The sum of the durations of completed runs that were not cached.')),
                ('durations', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), default=executions.models.rollup.empty_histogram, help_text='Their histogram.', size=None)),
                ('workflow', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='executions.workflow')),
            ],
            options={
                'indexes': [models.Index(fields=['began_at'], name='node_rollup_began')],
                'constraints': [models.UniqueConstraint(fields=('workflow', 'node', 'began_at', 'seconds'), name='one_rollup_per_node_and_time')],
            },
        ),
        migrations.RunPython(begin_with_the_first_event, migrations.RunPython.noop),
    ]
