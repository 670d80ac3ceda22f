"""`manage.py rotate_credential_keys`: put all that is encrypted at rest under the first key of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workflow_platform.core.secrets import encrypted_columns


class Command(BaseCommand):
    help = "Encrypt anew, under the first key, what is under another one. May be stopped and started again at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chunk", type=int, default=200, help="Rows in one transaction (200).")

    def handle(self, *args: Any, chunk: int, **options: Any) -> None:
        lost: list[str] = []
        for what, rotate in encrypted_columns.known().items():
            changed, not_opened = _all(rotate, max(1, chunk))
            self.stdout.write(f"{changed} {what} encrypted anew.")
            lost += [f"{pk} ({what})" for pk in not_opened]
        if lost:
            raise CommandError(
                f"{len(lost)} are under a key that is not in CREDENTIAL_KEYS and stay as they are: "
                + ", ".join(lost[:20])
            )


def _all(rotate: encrypted_columns.Rotate, chunk: int) -> tuple[int, list[UUID]]:
    changed, lost = 0, list[UUID]()
    after: UUID | None = None
    while True:
        count, not_opened, after = rotate(chunk, after)
        changed += count
        lost += not_opened
        if after is None:
            return changed, lost
