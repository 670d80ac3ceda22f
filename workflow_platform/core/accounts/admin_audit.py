"""Records what staff change in the admin site in the audit log, beside the site's own history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import AuditKind, User

MOST_ROWS = 2_000
"""The most objects of an action, as many as a list shows."""


class AuditedAdmin:
    """For every admin whose objects can be changed. `audited` is false where the model has entries of its own."""

    audited: ClassVar[bool] = True

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Record that an object was added."""
        self._record(AuditKind.ADMIN_ADDED, [obj], request)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Record which fields of an object were changed."""
        self._record(AuditKind.ADMIN_CHANGED, [obj], request, fields=list(_fields_of(message)))
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Record that objects are deleted, before they are."""
        self._record(AuditKind.ADMIN_DELETED, list(queryset), request)
        return super().log_deletions(request, queryset)  # type: ignore[misc]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions on selected objects, which record themselves. A deletion is recorded as such."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        return {
            name: (function if name == "delete_selected" else self._recorded(name, function), name, text)
            for name, (function, _, text) in actions.items()
        }

    def _recorded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def act(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
            rows = list(queryset[:MOST_ROWS])
            response = function(model_admin, request, queryset)
            if response is None:  # otherwise it asks, or shows something
                self._record(AuditKind.ADMIN_ACTION, rows, request, action=name)
            return response

        return act

    def _record(self, kind: AuditKind, rows: list[Any], request: HttpRequest, **data: Any) -> None:
        if self.audited and rows:
            audit.changed_in_admin(kind, rows, cast(User, request.user), **data)


def _fields_of(message: Any) -> Iterable[str]:
    """Return the names of the changed fields in the site's description of a change; those of other objects on the same
    page with the object."""
    for part in message if isinstance(message, list) else []:
        for what, about in part.items():
            of = f"{about['name']} {about['object']}" if "object" in about else ""
            for field in about.get("fields", [what] if of else []):
                yield f"{of}: {field}" if of else field
