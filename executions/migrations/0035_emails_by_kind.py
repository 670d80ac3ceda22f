"""When notifications of each kind are sent by email."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [('executions', '0034_insights')]

    operations: ClassVar = [
        migrations.AddField(
            model_name='notificationpreference',
            name='emails',
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, help_text='By kind of notification, when it is sent by email; kinds that are missing follow `email`.'),
        ),
    ]
