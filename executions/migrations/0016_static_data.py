import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('executions', '0015_lineage'),
    ]

    operations = [
        migrations.CreateModel(
            name='StaticData',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('node_id', models.CharField(blank=True, help_text='Empty: the data of the whole workflow.', max_length=100)),
                ('data', models.TextField(help_text='A JSON object.')),
                ('updated_at', models.DateTimeField()),
                ('workflow', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='static_data', to='executions.workflow')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('workflow', 'node_id'), name='one_static_data_per_node')],
            },
        ),
    ]
