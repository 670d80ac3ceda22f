"""The words of the pages for what accounts have: roles, scopes of tokens, and where a session is used."""

from __future__ import annotations

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

register = template.Library()

ROLES: dict[str, str | Promise] = {
    "viewer": gettext_lazy("viewer"),
    "editor": gettext_lazy("editor"),
    "admin": gettext_lazy("admin"),
}
SCOPES: dict[str, str | Promise] = {
    "read": pgettext_lazy("scope", "read"),
    "run": pgettext_lazy("scope", "run"),
    "edit": pgettext_lazy("scope", "edit"),
    "admin": pgettext_lazy("scope", "admin"),
}
YOU_ARE: dict[str, str | Promise] = {
    "viewer": gettext_lazy("you are a viewer"),
    "editor": gettext_lazy("you are an editor"),
    "admin": gettext_lazy("you are an admin"),
}


@register.filter
def role_text(role: object) -> str:
    """Return the word for a role."""
    return str(ROLES.get(str(role), role))


@register.filter
def scope_text(scope: object) -> str:
    """Return the word for the scope of a token."""
    return str(SCOPES.get(str(scope), scope))


@register.filter
def you_are(role: object) -> str:
    """Return what a page says to a member with a role."""
    return str(YOU_ARE.get(str(role), role))


@register.filter
def device_text(device: str | None) -> str:
    """Return a device as `browser_sessions.device_of` names it, in the language of the page."""
    browser, _on, system = (device or "").partition(" on ")
    if system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return _("Unknown device") if browser == "Unknown device" else browser


@register.filter
def network_text(network: str) -> str:
    """Return a network as `browser_sessions.network_of` names it, in the language of the page."""
    return _("this machine") if network == "this machine" else network
