"""`manage.py first_start`: creates the first admin and API token if no user exists."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.core.management.base import BaseCommand

from workflow_platform.core.accounts.first_start import create_first_admin


class Command(BaseCommand):
    help = "If no user exists, create `admin` (password: ADMIN_PASSWORD, or random), a workspace and an API token."

    def handle(self, *args: Any, **options: Any) -> None:
        configured = os.environ.get("ADMIN_PASSWORD")
        password = configured or secrets.token_urlsafe(12)
        created = create_first_admin(password)
        if created is None:
            return
        _, token = created
        self.stdout.write("\n  First start. These are shown only once:")
        self.stdout.write(f"    user      admin\n    password  {'from ADMIN_PASSWORD' if configured else password}")
        self.stdout.write(f"    API token {token}\n")
