"""The pages of the job queues in the admin: for superusers, and staff with the permission `django_rq.admin`.

They show the arguments and results of jobs of every workspace, and can delete jobs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, reverse
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard

View = Callable[..., HttpResponseBase]
PERMISSION = "django_rq.admin"
_INLINE_ATTRIBUTE = re.compile(rb'\s(?:onclick|style)="[^"]*"')
"""In markup: quotes of data are escaped."""
REFUSED = f"The queue pages require the permission {PERMISSION}."


def may_see_queues(request: HttpRequest) -> bool:
    """Return whether the user of the session may see and change the queues."""
    user = request.user
    return bool(user.is_active and getattr(user, "is_staff", False) and user.has_perm(PERMISSION))


def guarded(patterns: Sequence[URLPattern]) -> list[URLPattern]:
    """Return the patterns with views that require the permission, including those that return JSON."""
    return [URLPattern(each.pattern, _guarded(each.callback), each.default_args, each.name) for each in patterns]


def _guarded(view: View) -> View:
    @wraps(view)
    def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not may_see_queues(request):
            raise PermissionDenied(REFUSED)
        return _without_inline_attributes(view(request, *args, **kwargs))

    return asks


def _without_inline_attributes(response: HttpResponseBase) -> HttpResponseBase:
    """Return a page of Django RQ without the handlers and styles in attributes, which the content policy forbids.

    `queue_rows.js` does what the handlers did.
    """
    if isinstance(response, HttpResponse) and response.headers["Content-Type"].startswith("text/html"):
        response.content = _INLINE_ATTRIBUTE.sub(b"", response.content)
    return response


admin.site.site_header = admin.site.site_title = "Workflow platform"
admin.site.index_title = "Administration"
admin.site.unregister(Dashboard)


@admin.register(Dashboard)
class GuardedQueueAdmin(QueueAdmin):
    """The same pages under /admin/django_rq/."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the link to users with access."""
        return may_see_queues(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Admit users who may see the queues."""
        return may_see_queues(request)

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the pages."""
        return guarded(super().get_urls())  # type: ignore[no-untyped-call]
