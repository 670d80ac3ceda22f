"""`manage.py prepare`: migrates the database, creates the first admin and loads the samples, in one process."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Migrate the database. On the first start, create the first admin and load the samples."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        call_command("first_start", stdout=self.stdout)
        call_command("load_samples", stdout=self.stdout)
