"""The streams of the workspaces that exist; later ones are opened with the workspace."""

from django.db import migrations


def open_streams(apps, schema_editor):
    stream, workspace = apps.get_model("events", "Stream"), apps.get_model("accounts", "Workspace")
    ids = workspace.objects.values_list("pk", flat=True).iterator()
    streams = [stream(name=f"workspace:{pk}", workspace_id=pk) for pk in ids]
    stream.objects.bulk_create(streams, batch_size=1000, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("events", "0016_streams_of_users"), ("accounts", "0008_language_of_the_browser")]
    operations = [migrations.RunPython(open_streams, migrations.RunPython.noop)]
