"""Values of the cells in lists of executions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from django import template

register = template.Library()


@register.filter
def of_key(values: Mapping[str, str], key: str) -> str:
    """Return the value of a key; empty if there is none."""
    return values.get(key, "")


@register.filter
def attribute_filter(key: str, value: str) -> str:
    """Return the filter of an attribute for a URL."""
    return quote(shlex.quote(f"{key}:{value}"), safe="")
