"""`manage.py repair_event_order`: after a dump was restored into another database cluster."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from events.log import transactions


class Command(BaseCommand):
    help = "Have new events come after all that there are, where a restored dump brought higher transaction numbers."

    def handle(self, *args: Any, **options: Any) -> None:
        raised = transactions.repair()
        self.stdout.write(
            f"The base of transaction numbers was raised by {raised}." if raised else "Nothing is wrong with the order."
        )
