"""`manage.py export_asyncapi`: write docs/asyncapi.yaml."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from events.catalogue.asyncapi import EXPORTED, as_yaml


class Command(BaseCommand):
    help = "Write docs/asyncapi.yaml, which describes the WebSocket, from protocol.yaml and the event types."

    def handle(self, *args: Any, **options: Any) -> None:
        EXPORTED.write_text(as_yaml())
        self.stdout.write(f"Wrote {EXPORTED}.")
