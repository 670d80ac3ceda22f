"""`manage.py repair_event_order`: needed after a dump is restored into another database cluster."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from events.log import transactions


class Command(BaseCommand):
    help = "Make new events follow the existing ones after a restored dump brought higher transaction numbers."

    def handle(self, *args: Any, **options: Any) -> None:
        raised = transactions.repair()
        self.stdout.write(
            f"Base of transaction numbers raised by {raised}." if raised else "The order of events needs no repair."
        )
