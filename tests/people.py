"""Users of the workspace that the platform under test begins with, made as an operator makes them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import requests

from tests.conftest import Platform

_MAKE = """
from workflow_platform.core.accounts.models import ApiToken, Membership, User, Workspace
user = User.objects.create_user({name!r}, {email!r}, "a-password-for-tests")
if {role!r}:
    Membership.objects.create(user=user, workspace=Workspace.objects.order_by("created_at").first(), role={role!r})
print("token", ApiToken.issue(user, "tests")[1])
"""


class Person:
    """A user with a role in the first workspace; none for a stranger."""

    def __init__(self, platform: Platform, role: str | None) -> None:
        self.name = f"{role or 'stranger'}-{uuid4().hex[:6]}"
        self.email = f"{self.name}@example.com"
        self.platform = platform
        said = platform.shell.run(_MAKE.format(name=self.name, email=self.email, role=role))
        self.token = said.split("token ")[1].split()[0]

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, self.platform.url + path, headers=headers, timeout=240, **kwargs)
