"""The words of the pages for what the API names: statuses, triggers and modes. `static/js/words.js` has the same."""

from __future__ import annotations

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

register = template.Library()

STATUSES: dict[str, str | Promise] = {
    "queued": _("queued"),
    "pending": _("pending"),
    "running": _("running"),
    "waiting": _("waiting"),
    "paused": _("paused"),
    "retrying": _("retrying"),
    "sending": _("sending"),
    "completed": _("completed"),
    "delivered": _("delivered"),
    "failed": _("failed"),
    "skipped": _("skipped"),
    "cancelled": _("cancelled"),
    "timed_out": _("timed out"),
}
"""Of executions, node runs and deliveries."""
TRIGGERS: dict[str, str | Promise] = {
    "manual": _("manual"),
    "api": _("api"),
    "webhook": _("webhook"),
    "schedule": _("schedule"),
    "workflow": _("workflow"),
    "rerun": _("rerun"),
    "error": _("error"),
}
MODES: dict[str, str | Promise] = {"live": _("live"), "test": _("test"), "debug": _("debug")}


@register.filter
def status_text(status: object) -> str:
    """Return the word for a status of an execution, a node run or a delivery."""
    return str(STATUSES.get(str(status), str(status).replace("_", " ")))


@register.filter
def trigger_text(trigger: object) -> str:
    """Return the word for what started an execution."""
    return str(TRIGGERS.get(str(trigger), trigger))


@register.filter
def mode_text(mode: object) -> str:
    """Return the word for what an execution is for."""
    return str(MODES.get(str(mode), mode))
