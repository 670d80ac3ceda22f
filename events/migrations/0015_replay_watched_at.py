"""When a replay was last watched: replays that nobody watches end."""

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
