"""`manage.py rotate_credential_keys`: encrypts all stored secrets with the first key of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workflow_platform.core.secrets import encrypted_columns


class Command(BaseCommand):
    help = "Encrypt stored secrets with the first key of CREDENTIAL_KEYS. It is safe to stop and run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chunk", type=int, default=200, help="Rows per transaction (default: 200).")

    def handle(self, *args: Any, chunk: int, **options: Any) -> None:
        lost: list[str] = []
        for what, rotate in encrypted_columns.known().items():
            changed, not_opened = _all(rotate, max(1, chunk))
            self.stdout.write(f"{changed} {what} re-encrypted.")
            lost += [f"{pk} ({what})" for pk in not_opened]
        if lost:
            raise CommandError(
                f"{len(lost)} secrets are encrypted with a key that is not in CREDENTIAL_KEYS, and were not changed: "
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
