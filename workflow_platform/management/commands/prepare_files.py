"""`manage.py prepare_files`: checks the settings, then collects the static files, in one process. Needs no servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from workflow_platform import static_files
from workflow_platform.installation.data_folder import COLLECTED


class Command(BaseCommand):
    help = "Check the settings, then collect the static files if they have changed."
    # All checks, as for every command: they run before `handle`.

    def handle(self, *args: Any, **options: Any) -> None:
        collected, manifest = settings.DATA_DIR / COLLECTED, Path(settings.STATIC_ROOT) / "staticfiles.json"
        fingerprint = static_files.fingerprint()
        if manifest.exists() and collected.exists() and collected.read_text() == fingerprint:
            return
        collected.unlink(missing_ok=True)
        call_command("collectstatic", interactive=False, verbosity=0)
        collected.write_text(fingerprint)
