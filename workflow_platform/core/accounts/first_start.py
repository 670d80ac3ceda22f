"""Creates the first admin on the first start."""

from __future__ import annotations

from django.db import transaction

from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace


@transaction.atomic
def create_first_admin(password: str) -> tuple[User, str] | None:
    """Create user `admin`, the workspace `default` and an API token. Returns the user and the token; None if any user
    exists already."""
    if User.objects.exists():
        return None
    user = User.objects.create_superuser("admin", password=password)
    workspace = Workspace.objects.create(name="Default", slug="default")
    Membership.objects.create(workspace=workspace, user=user, role=Role.ADMIN)
    _, raw = ApiToken.issue(user, "first start")
    return user, raw
