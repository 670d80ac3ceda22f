"""Options that management commands share."""

from __future__ import annotations

from django.core.management.base import CommandError

from workflow_platform.core.accounts.models import Workspace


def workspace_of(slug: str) -> Workspace:
    """Return the workspace that `--workspace` names by its slug. Raises CommandError."""
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        raise CommandError(f"--workspace: no workspace has the slug {slug!r}.")
    return workspace
