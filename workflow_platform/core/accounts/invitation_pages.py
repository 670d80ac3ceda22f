"""The page of an invitation link."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import NotFound

from workflow_platform.core.accounts import invitations
from workflow_platform.core.accounts.models import User


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show the invitation to its addressee; a POST accepts it."""
    user = cast(User, request.user)
    try:
        if request.method == "POST":
            invitations.accept(token, user)
            return redirect("dashboard")
        context = {"offer": invitations.find(token, user)}
    except (NotFound, invitations.AlreadyMember) as refusal:
        return render(request, "accounts/invitation.html", {"refusal": refusal.detail}, status=refusal.status_code)
    return render(request, "accounts/invitation.html", context)
