"""`manage.py prepare_files`: checks the settings, then collects the static files, in one process. Needs no servers."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Check the settings, then collect the static files."
    # All checks, as for every command: they run before `handle`.

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("collectstatic", interactive=False, verbosity=0)
