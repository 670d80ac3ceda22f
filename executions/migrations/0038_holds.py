"""Node runs that fail for good can be held for a person."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models

import workflow_platform.core.ordered_json


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ('executions', '0037_unused_data'),
    ]

    operations: ClassVar = [
        migrations.RemoveConstraint(
            model_name='wait',
            name='one_wait_per_attempt',
        ),
        migrations.AddField(
            model_name='execution',
            name='hold_seconds',
            field=models.PositiveIntegerField(help_text="How long a failed node waits for a person; empty: as the workflow's settings say.", null=True),
        ),
        migrations.AddField(
            model_name='execution',
            name='on_failure',
            field=models.CharField(blank=True, choices=[('stop', 'It fails'), ('hold', 'It waits for a person')], db_default='', default='', help_text="When a node fails for good; empty: as the workflow's settings say.", max_length=4),
        ),
        migrations.AddField(
            model_name='noderun',
            name='edited',
            field=models.JSONField(help_text='What people changed while it was held: {"what": ["input", "parameters", "definition", "output"], "attempt": the first attempt with the last change}.', null=True),
        ),
        migrations.AddField(
            model_name='wait',
            name='details',
            field=workflow_platform.core.ordered_json.OrderedJSONField(help_text="What a hold is about: {reason, error, took_ms, sent}; `sent` are the hosts to which the node run has sent credentials, by the credential's id.", null=True),
        ),
        migrations.AddField(
            model_name='wait',
            name='place',
            field=models.CharField(blank=True, choices=[('failure', 'When it has failed for good')], db_default='', default='', help_text='Of a hold only.', max_length=7),
        ),
        migrations.AlterField(
            model_name='notification',
            name='kind',
            field=models.CharField(choices=[('workflow_failed', 'Workflow failed'), ('workflow_recovered', 'Workflow recovered'), ('approval_waiting', 'Approval waiting'), ('execution_held', 'Execution held'), ('endpoint_disabled', 'Endpoint disabled')], max_length=20),
        ),
        migrations.AlterField(
            model_name='wait',
            name='kind',
            field=models.CharField(choices=[('webhook', 'A call to its URL'), ('approval', 'A decision'), ('execution', 'The end of another execution'), ('delivery', 'The end of a webhook delivery'), ('hold', 'A person who looks at the node run')], max_length=10),
        ),
        migrations.AddIndex(
            model_name='wait',
            index=models.Index(condition=models.Q(('kind', 'hold'), ('resolved_at__isnull', True)), fields=['execution'], name='wait_held'),
        ),
        migrations.AddConstraint(
            model_name='wait',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'hold'), _negated=True), fields=('execution', 'node_id', 'run_index', 'attempt'), name='one_wait_per_attempt'),
        ),
        migrations.AddConstraint(
            model_name='wait',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'hold')), fields=('execution', 'node_id', 'run_index', 'attempt', 'place'), name='one_hold_per_place'),
        ),
        migrations.AddConstraint(
            model_name='wait',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'hold'), ('place', ''), _connector='XOR'), name='only_holds_have_a_place'),
        ),
    ]
