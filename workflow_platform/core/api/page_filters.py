"""Common parts of lists on pages: a time range as a filter, and the URLs of other pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

RANGES = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_LABELS = [
    ("", _("Any time")),
    ("1h", _("Last hour")),
    ("24h", _("Last 24 hours")),
    ("7d", _("Last 7 days")),
    ("30d", _("Last 30 days")),
    ("between", _("Between …")),
]


class MomentInput(forms.DateTimeInput):
    """A time in UTC, which `static/js/time_inputs.js` shows in the time zone of the user and sends in ISO 8601."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"data-moment": ""})

    def format_value(self, value: Any) -> str | None:
        """Return the value of the input: UTC without a zone, to the minute, or to the second if that is not zero."""
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            return None
        if not at:
            return None
        at = at.astimezone(UTC) if at.tzinfo else at
        return f"{at:%Y-%m-%dT%H:%M:%S}".removesuffix(":00")


class PageFilters(forms.Form):
    """Filters from the URL. Invalid values are ignored."""

    range = forms.ChoiceField(required=False, choices=_LABELS)
    since = forms.DateTimeField(required=False, widget=MomentInput)
    until = forms.DateTimeField(required=False, widget=MomentInput)

    def chosen(self) -> dict[str, Any]:
        """Return the valid filters."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def span(self) -> tuple[datetime | None, datetime | None]:
        """Return the start and end of the time range."""
        chosen = self.chosen()
        if (span := RANGES.get(chosen.get("range", ""))) is not None:
            return timezone.now() - span, None
        return chosen.get("since"), chosen.get("until")


def page_query(request: HttpRequest, **changed: object) -> str:
    """Return the request's query without its empty parameters and `before`, with `changed`."""
    query = request.GET.copy()
    query.pop("before", None)
    for name in [name for name in query if not any(query.getlist(name))]:
        del query[name]
    for name, value in changed.items():
        query[name] = str(value)
    return "?" + query.urlencode()


def uuid_or_none(text: str | None) -> UUID | None:
    """Parse a UUID; None if `text` is not one."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
