"""The kind of insight for data that nobody reads."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_audit_of_advice'),
        ('executions', '0036_insights_of_the_installation'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='insightautomation',
            options={'verbose_name': 'setting of automatic advice', 'verbose_name_plural': 'settings of automatic advice'},
        ),
        migrations.RemoveConstraint(
            model_name='insight',
            name='insight_kind_is_known',
        ),
        migrations.AlterField(
            model_name='insight',
            name='kind',
            field=models.CharField(choices=[('slow_node', 'Slow node'), ('cache_node', 'Node could use the cache'), ('limit_too_low', 'Limit is too low'), ('queue_starved', 'Executions wait for workers'), ('endpoint_failing', 'Endpoint is failing'), ('retry_never_helps', 'Retries never succeed'), ('batch_requests', 'Many requests in a run'), ('parallel_branches', 'Nodes could run side by side'), ('lane_full', 'Deliveries wait for their endpoint'), ('database_slow', 'Database is slow'), ('redis_slow', 'Redis is slow'), ('unused_data', 'Nobody reads this data')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='insight',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['slow_node', 'cache_node', 'limit_too_low', 'queue_starved', 'endpoint_failing', 'retry_never_helps', 'batch_requests', 'parallel_branches', 'lane_full', 'database_slow', 'redis_slow', 'unused_data'])), name='insight_kind_is_known'),
        ),
    ]
