"""The streams of the users that exist; later ones are opened with the user."""

from django.conf import settings
from django.db import migrations


def open_streams(apps, schema_editor):
    stream, user = apps.get_model("events", "Stream"), apps.get_model("accounts", "User")
    names = [f"user:{pk}" for pk in user.objects.values_list("pk", flat=True).iterator()]
    stream.objects.bulk_create([stream(name=name) for name in names], batch_size=1000, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("events", "0015_replay_watched_at"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [migrations.RunPython(open_streams, migrations.RunPython.noop)]
