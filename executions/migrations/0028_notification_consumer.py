"""The place of the consumer of notifications: in a new installation the first event, so that it misses none.

An installation that has events already begins with the next one, when the consumer starts.
"""

from django.db import migrations


def begin_with_the_first_event(apps, schema_editor):
    if not apps.get_model("events", "Event").objects.exists():
        apps.get_model("events", "EventSubscription").objects.get_or_create(name="executions.notifications")


class Migration(migrations.Migration):
    dependencies = [("executions", "0027_notifications"), ("events", "0016_streams_of_users")]
    operations = [migrations.RunPython(begin_with_the_first_event, migrations.RunPython.noop)]
