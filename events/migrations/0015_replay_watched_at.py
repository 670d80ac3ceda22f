"""When a replay last had a watcher. A replay without watchers ends."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0014_json_text")]

    operations = [
        migrations.AddField(
            model_name="replay",
            name="watched_at",
            field=models.DateTimeField(
                help_text="When a client last watched its stream, to within seconds.", null=True
            ),
        ),
    ]
