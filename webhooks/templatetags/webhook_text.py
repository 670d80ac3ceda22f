"""Filters of the templates of webhooks: numbers, and the words for what the rows name."""

from __future__ import annotations

from typing import Any

from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol
from django import template
from django.template.defaultfilters import floatformat
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext, ngettext, override, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.templatetags.words import STATUSES

register = template.Library()

Words = dict[str, str | Promise]

ORIGINS: Words = {
    "event": _("event"),
    "test": _("test"),
    "api": _("api"),
    "node": _("node"),
    "replay": _("replay"),
}
RANKS: dict[int, str | Promise] = {0: _("high priority"), 1: _("default priority"), 2: _("low priority")}
PHASES: Words = {
    "Connect": _("Connect"),
    "First byte": _("First byte"),
    "Response": _("Response"),
    "No response": _("No response"),
}
"""Of an attempt; `DNS` and `TLS` are the same in all languages."""
PRESETS: Words = {"quick": _("quick"), "standard": _("standard"), "custom": _("custom")}
AUTHENTICATIONS: Words = {
    "none": _("none"),
    "bearer": _("bearer"),
    "basic": _("basic"),
    "header": _("header"),
    "query": _("query"),
    "hmac": _("hmac"),
}
OPERATIONS: Words = {
    "recover": pgettext_lazy("operation", "recover"),
    "redeliver": pgettext_lazy("operation", "redeliver"),
    "cancel": pgettext_lazy("operation", "cancel"),
    "replay": pgettext_lazy("operation", "replay"),
}
VIOLATIONS: Words = {"missing": _("missing"), "surplus": _("surplus"), "doubled": _("doubled")}
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))

register.filter(shown_url)


@register.filter
def digits(value: Any, form: str | int = -1) -> str:
    """Return a number as the language of the page writes it, with the decimals that `floatformat` gives it."""
    with override("en"):
        text = str(floatformat(value, form))
    return _localized(text)


@register.filter
def milliseconds(value: float | None) -> str:
    """Return a time as people read it."""
    if value is None:
        return "–"
    if value < 10:
        return _localized(f"{value:.1f}") + " ms"
    return _localized(f"{value:,.0f}") + " ms" if value < 10_000 else _localized(f"{value / 1000:,.1f}") + " s"


@register.filter
def sorted_items(mapping: Any) -> list[tuple[str, Any]]:
    """Return the pairs of a mapping by name."""
    return sorted(mapping.items(), key=lambda pair: str(pair[0]).lower()) if isinstance(mapping, dict) else []


@register.filter
def origin_text(origin: str) -> str:
    """Return the word for the origin of a delivery."""
    return str(ORIGINS.get(origin, origin))


@register.filter
def rank_text(rank: int) -> str:
    """Return the words for the priority of a delivery."""
    return str(RANKS[rank])


@register.filter
def outcome_text(outcome: str) -> str:
    """Return the word for what came of an attempt."""
    return gettext("retried") if outcome == "retry" else str(STATUSES.get(outcome, outcome))


@register.filter
def phase_text(name: str) -> str:
    """Return the name of a phase of an attempt."""
    return str(PHASES.get(name, name))


@register.filter
def preset_text(name: str) -> str:
    """Return the name of a retry preset."""
    return str(PRESETS.get(name, name))


@register.filter
def auth_text(kind: str) -> str:
    """Return the name of a kind of authentication."""
    return str(AUTHENTICATIONS.get(kind, kind))


@register.filter
def operation_text(kind: str) -> str:
    """Return the word for what an operation does."""
    return str(OPERATIONS.get(kind, kind))


@register.filter
def violation_text(kind: str) -> str:
    """Return the word for a discrepancy."""
    return str(VIOLATIONS.get(kind, kind))


@register.filter
def request_text(request: Any) -> str:
    """Return the word for what came of an inbound request."""
    if not request.accepted:
        return gettext("rejected")
    return gettext("test") if request.test else gettext("accepted")


@register.filter
def policy_text(policy: dict[str, Any]) -> str:
    """Return what a retry policy does: `RetryPolicy.in_words` in the language of the page."""
    attempts = policy["attempts"]
    if attempts == 1:
        return gettext("1 attempt, no retries")
    return gettext("%(attempts)s attempts within %(span)s") % {
        "attempts": attempts,
        "span": _span(policy["horizon_seconds"]),
    }


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            count = _localized(f"{seconds / size:.1f}".removesuffix(".0"))
            return {
                "days": gettext("about %(count)s days"),
                "hours": gettext("about %(count)s hours"),
                "minutes": gettext("about %(count)s minutes"),
            }[unit] % {"count": count}
    return ngettext("%(count)s second", "%(count)s seconds", round(seconds)) % {"count": round(seconds)}


def _localized(text: str) -> str:
    """Return a number in English notation in that of the page's language."""
    locale = Locale.parse(get_language() or "en")
    return text.translate({ord(","): get_group_symbol(locale), ord("."): get_decimal_symbol(locale)})
