"""What accounts from before need: a default workspace, and sessions that name the new authentication backend."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.db import migrations
from django.utils import timezone

OLD = "django.contrib.auth.backends.ModelBackend"
NEW = "workflow_platform.accounts.passwords.PasswordBackend"


def choose_default_workspaces(apps, schema_editor):
    """Take the workspace that each user joined first: one that somebody else added them to later is not their own."""
    User, Membership = apps.get_model("accounts", "User"), apps.get_model("accounts", "Membership")
    first = Membership.objects.order_by("user_id", "created_at", "id").distinct("user_id")
    for user_id, workspace_id in first.values_list("user_id", "workspace_id"):
        User.objects.filter(pk=user_id, default_workspace=None).update(default_workspace_id=workspace_id)


def rename_backend(old, new):
    """Return an operation that keeps people logged in: Django refuses sessions of a backend that is not configured."""

    def rename(apps, schema_editor):
        store = import_module(settings.SESSION_ENGINE).SessionStore()
        sessions = apps.get_model("sessions", "Session").objects.filter(expire_date__gt=timezone.now())
        for session in sessions.iterator():
            data = store.decode(session.session_data)
            if data.get(BACKEND_SESSION_KEY) == old:
                session.session_data = store.encode(data | {BACKEND_SESSION_KEY: new})
                session.save(update_fields=["session_data"])

    return rename


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_membership_and_logins"), ("sessions", "0001_initial")]

    operations = [
        migrations.RunPython(choose_default_workspaces, migrations.RunPython.noop),
        migrations.RunPython(rename_backend(OLD, NEW), rename_backend(NEW, OLD)),
    ]
