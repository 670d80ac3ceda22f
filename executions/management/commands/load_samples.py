"""`manage.py load_samples`: the sample workflows, into the oldest workspace."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from executions import samples
from workflow_platform.core.accounts.models import Workspace


class Command(BaseCommand):
    help = "Create the sample workflows that the first workspace does not have."

    def handle(self, *args: Any, **options: Any) -> None:
        workspace = Workspace.objects.order_by("created_at").first()
        if workspace is None:
            self.stdout.write("There is no workspace yet: run `manage.py first_start` first.")
            return
        for workflow in samples.load(workspace, None):
            self.stdout.write(f"  Sample workflow: {workflow.name}")
