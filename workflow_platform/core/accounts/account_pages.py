"""The pages of one's own account: profile, password, sessions and API tokens."""

from __future__ import annotations

from typing import cast
from zoneinfo import available_timezones

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from workflow_platform.core.accounts.account_serializers import shown_sessions
from workflow_platform.core.accounts.models import Theme, TokenScope, User
from workflow_platform.core.translations.languages import language_choices

LISTED_TOKENS = 200
EXPIRIES = [(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year")), (0, _("No expiry"))]
"""Offered for a new token: days, and words."""


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show the account."""
    user = cast(User, request.user)
    zones = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/")))
    context = {
        "sessions": shown_sessions(user, request.session.session_key),
        "tokens": user.api_tokens.filter(revoked_at=None).count(),
        "themes": [(theme.value, gettext(theme.label)) for theme in Theme],
        "zones": ["UTC", *zones],
        "languages": language_choices(),
        "page_data": {},
    }
    return render(request, "accounts/account.html", context)


@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """List the API tokens, usable ones first."""
    user, now = cast(User, request.user), timezone.now()
    rows = list(user.api_tokens.all()[:LISTED_TOKENS])
    for row in rows:
        row.state = "revoked" if row.revoked_at else "active" if row.usable else "expired"  # type: ignore[attr-defined]
    rows.sort(key=lambda row: not row.usable)
    scopes = [(scope.value, *gettext(scope.label).split(": ", 1)) for scope in TokenScope]
    context = {"tokens": rows, "scopes": scopes, "expiries": EXPIRIES, "now": now, "page_data": {}}
    return render(request, "accounts/tokens.html", context)
