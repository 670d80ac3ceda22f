from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0017_digests_and_exchanges")]

    operations = [
        migrations.AddField(
            model_name="execution",
            name="rerun_choices",
            field=models.JSONField(
                null=True, help_text='Nodes of a rerun that do not run as usual: {node: "reuse" or "skip"}.'
            ),
        ),
    ]
