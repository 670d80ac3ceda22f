"""`manage.py first_start`: the first admin and API token, where there is no user yet."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.core.management.base import BaseCommand

from workflow_platform.core.accounts.first_start import create_first_admin


class Command(BaseCommand):
    help = "Create user `admin` (ADMIN_PASSWORD, or a random one), a workspace and an API token, once."

    def handle(self, *args: Any, **options: Any) -> None:
        given = os.environ.get("ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(12)
        created = create_first_admin(password)
        if created is None:
            return
        _, token = created
        self.stdout.write("\n  First start. This is shown once:")
        self.stdout.write(f"    user      admin\n    password  {'as in ADMIN_PASSWORD' if given else password}")
        self.stdout.write(f"    API token {token}\n")
