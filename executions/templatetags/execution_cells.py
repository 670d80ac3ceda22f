"""Values of the cells in lists of executions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from django import template
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

register = template.Library()

PRIORITIES: dict[str, str | Promise] = {
    "high": pgettext_lazy("priority", "high"),
    "default": pgettext_lazy("priority", "default"),
    "low": pgettext_lazy("priority", "low"),
}


@register.filter
def of_key(values: Mapping[str, str], key: str) -> str:
    """Return the value of a key; empty if there is none."""
    return values.get(key, "")


@register.filter
def priority_text(priority: str) -> str:
    """Return the word for a priority."""
    return str(PRIORITIES.get(priority, priority))


@register.filter
def attribute_filter(key: str, value: str) -> str:
    """Return the filter of an attribute for a URL."""
    return quote(shlex.quote(f"{key}:{value}"), safe="")
