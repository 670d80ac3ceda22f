"""`manage.py rotate_credential_keys`: put every credential under the first key of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from executions import credentials


class Command(BaseCommand):
    help = "Encrypt anew, under the first key, what is under another one. May be stopped and started again at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chunk", type=int, default=200, help="Rows in one transaction (200).")

    def handle(self, *args: Any, chunk: int, **options: Any) -> None:
        changed, lost = 0, list[UUID]()
        after: UUID | None = None
        while True:
            count, not_opened, after = credentials.rotate(max(1, chunk), after)
            changed += count
            lost += not_opened
            if after is None:
                break
        self.stdout.write(f"{changed} credentials encrypted anew.")
        if lost:
            named = ", ".join(str(each) for each in lost[:20])
            raise CommandError(
                f"{len(lost)} are under a key that is not in CREDENTIAL_KEYS and stay as they are: {named}"
            )
