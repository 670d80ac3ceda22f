"""Insights of the installation, samples of its database and Redis, and advice that is applied automatically."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_audit_of_advice'),
        ('executions', '0035_emails_by_kind'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='InsightAutomation',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='insight_automation', serialize=False, to='accounts.workspace')),
                ('kinds', models.JSONField(default=list, help_text='Kinds of `executions.insights.automatic.KINDS`.')),
            ],
        ),
        migrations.CreateModel(
            name='PlatformSample',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('cumulative', models.JSONField(help_text='Histograms of all processes: {name: [sum, counts of the bins]}.')),
                ('connections', models.PositiveIntegerField(help_text='Connections to the database server in use.')),
                ('most_connections', models.PositiveIntegerField(help_text='That the server allows to the platform.')),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='insight',
            name='insight_kind_is_known',
        ),
        migrations.AddField(
            model_name='insight',
            name='automatic_at',
            field=models.DateTimeField(help_text='When the platform applied it by itself.', null=True),
        ),
        migrations.AlterField(
            model_name='insight',
            name='kind',
            field=models.CharField(choices=[('slow_node', 'Slow node'), ('cache_node', 'Node could use the cache'), ('limit_too_low', 'Limit is too low'), ('queue_starved', 'Executions wait for workers'), ('endpoint_failing', 'Endpoint is failing'), ('retry_never_helps', 'Retries never succeed'), ('batch_requests', 'Many requests in a run'), ('parallel_branches', 'Nodes could run side by side'), ('lane_full', 'Deliveries wait for their endpoint'), ('database_slow', 'Database is slow'), ('redis_slow', 'Redis is slow')], max_length=20),
        ),
        migrations.AlterField(
            model_name='insight',
            name='workspace',
            field=models.ForeignKey(db_index=False, help_text='Null: of the installation, which only staff see.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='insights', to='accounts.workspace'),
        ),
        migrations.AddConstraint(
            model_name='insight',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['open', 'applied']), ('workspace__isnull', True)), fields=('key',), name='one_insight_per_key_of_installation'),
        ),
        migrations.AddConstraint(
            model_name='insight',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['slow_node', 'cache_node', 'limit_too_low', 'queue_starved', 'endpoint_failing', 'retry_never_helps', 'batch_requests', 'parallel_branches', 'lane_full', 'database_slow', 'redis_slow'])), name='insight_kind_is_known'),
        ),
    ]
