"""`manage.py prepare`: the tables, the first admin and the samples, in one process rather than three."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Bring the tables up to date; on first start, make the first admin and load the samples."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        call_command("first_start", stdout=self.stdout)
        call_command("load_samples", stdout=self.stdout)
