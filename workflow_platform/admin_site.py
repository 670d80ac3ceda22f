"""The admin site: its modules are loaded by the processes that serve it or check it, not by workers and schedulers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class AdminSiteOnDemand(SimpleAdminConfig):
    """Django's app of the admin site. `workflow_platform.urls` loads the modules, and so do the system checks."""

    def ready(self) -> None:
        """Register the checks of the site."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_site, checks.Tags.admin)


def _check_site(**arguments: Any) -> list[checks.CheckMessage]:
    admin.autodiscover()
    found: list[checks.CheckMessage] = check_admin_app(**arguments)
    return found
