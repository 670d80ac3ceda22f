"""The page of all notifications, and the count of unread ones at the bell."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from events import log
from executions.models import Notification, NotificationKind
from executions.notifications import inbox, preferences, unsubscribing, user_stream
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.api.page_filters import page_query, uuid_or_none

LISTED = 50


class NotificationFilters(forms.Form):
    """The filters of the list, from the URL. Invalid values are ignored."""

    show = forms.ChoiceField(required=False, choices=[("", "All"), ("unread", "Unread")])
    kind = forms.ChoiceField(required=False, choices=[("", "Any kind"), *NotificationKind.choices])
    workspace = forms.ModelChoiceField(Workspace.objects.none(), required=False, empty_label="Any workspace")

    def __init__(self, data: Any, user: User) -> None:
        super().__init__(data)
        self.fields["workspace"].queryset = Workspace.objects.visible_to(user)  # type: ignore[attr-defined]
        for name in ("kind", "workspace"):
            self.fields[name].widget.attrs |= {"aria-label": name.capitalize(), "autocomplete": "off"}

    def chosen(self) -> dict[str, Any]:
        """Return the valid filters."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """List the notifications that match the filters, newest first; `before` pages back."""
    user = cast(User, request.user)
    filters = NotificationFilters(request.GET, user)
    chosen = filters.chosen()
    rows = Notification.objects.visible_to(user).select_related("workspace")
    if "show" in chosen:
        rows = rows.unread()
    if "kind" in chosen:
        rows = rows.filter(kind=chosen["kind"])
    if "workspace" in chosen:
        rows = rows.filter(workspace=chosen["workspace"])
    before = uuid_or_none(request.GET.get("before"))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: LISTED + 1])
    context = {
        "filters": filters,
        "chosen": chosen,
        "notifications": inbox.shown(found[:LISTED]),
        "several_workspaces": Workspace.objects.visible_to(user)[:2].count() > 1,
        "before": before,
        "older": page_query(request, before=found[LISTED - 1].pk) if len(found) > LISTED else None,
        "newest": page_query(request),
        "page_data": {},
    }
    return render(request, "executions/notifications.html", context)


@csrf_exempt  # mail programs ask for it (RFC 8058); the signed link is what authorises it
@require_http_methods(["GET", "HEAD", "POST"])
def stop_emails(request: HttpRequest, token: str) -> HttpResponse:
    """Stop the emails of the user that the link was sent to. A GET only offers it: scanners of mail follow links."""
    recipient = unsubscribing.user_of(token)
    if recipient is not None and request.method == "POST":
        preferences.stop_emails(recipient)
    context: dict[str, Any] = {"recipient": recipient, "stopped": request.method == "POST", "page_data": {}}
    return render(request, "executions/stop_emails.html", context, status=200 if recipient else 404)


def bell(request: HttpRequest) -> dict[str, Any]:
    """Give every page `bell`: the unread notifications, and where their stream stands; queried only where shown."""
    return {"bell": SimpleLazyObject(lambda: _bell(request.user))}


def _bell(user: Any) -> dict[str, Any]:
    if not user.is_authenticated:
        return {}
    stream = user_stream.name_of(user.pk)
    head = log.head(stream)  # read before the count: an event in between is counted twice rather than never
    unread = inbox.unread_count(user)
    most = inbox.MOST_COUNTED
    return {"stream": stream, "head": head, "unread": f"{most - 1}+" if unread >= most else str(unread or "")}
