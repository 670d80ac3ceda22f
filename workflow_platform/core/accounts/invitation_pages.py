"""The page of an invitation link, for people with and without an account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import NotFound

from workflow_platform.core.accounts import invitations, sign_up
from workflow_platform.core.accounts.models import Invitation, User
from workflow_platform.core.accounts.sign_up import InvitedSignUpForm

PAGE = "accounts/invitation.html"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation to the person who has its link. A POST accepts it, after creating an account if needed."""
    try:
        if isinstance(request.user, User):
            return _for_member_to_be(request, token, request.user)
        return _for_newcomer(request, token)
    except (NotFound, invitations.AlreadyMember) as refusal:
        return render(request, PAGE, {"refusal": gettext(str(refusal.detail))}, status=refusal.status_code)


def _for_member_to_be(request: HttpRequest, token: str, user: User) -> HttpResponse:
    if request.method == "POST":
        invitations.accept(token, user)
        return redirect("dashboard")
    return render(request, PAGE, _offered(invitations.find(token, user)))


def _for_newcomer(request: HttpRequest, token: str) -> HttpResponse:
    offer = invitations.find_open(token)
    if not sign_up.is_offered(offer):
        return redirect_to_login(request.path)
    form = InvitedSignUpForm(request.POST or None, request=request, invitation=offer)
    user = form.save(token) if request.method == "POST" and form.is_valid() else None
    if user is not None:
        login(request, user)
        return redirect("dashboard")
    context = _offered(offer) | {"login_query": urlencode({"next": request.path}), "form": form}
    return render(request, PAGE, context)


def _offered(offer: Invitation) -> dict[str, Any]:
    return {"offer": offer, "role": gettext(offer.get_role_display())}
