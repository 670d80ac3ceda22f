"""The filters and querysets of the lists of deliveries and inbound requests."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from events.catalogue.event_types import UnknownEventType
from events.history.event_filter import matching_types
from webhooks.delivery_filter import DeliveryFilter
from webhooks.models import Delivery, DeliveryStatus, Endpoint, InboundRequest, Origin
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.api.page_filters import PageFilters
from workflow_platform.templatetags.words import STATUSES

ORIGINS = [
    (Origin.EVENT, _("Events")),
    (Origin.TEST, _("Tests")),
    (Origin.API, "API"),
    (Origin.NODE, _("Nodes")),
    (Origin.REPLAY, _("Replays")),
]
LISTED = 50
_LABELS = {
    "range": _("Range"),
    "since": _("Since"),
    "until": _("Until"),
    "status": _("Status"),
    "status_code": _("Status code"),
    "workflow": _("Workflow"),
    "execution": _("Execution"),
    "endpoint": _("Endpoint"),
    "event_type": _("Event type"),
    "origin": _("Origin"),
    "accepted": _("Accepted"),
    "path": _("Path"),
}


class ListFilters(PageFilters):
    """The filters of both lists."""

    status_code = forms.IntegerField(required=False, min_value=100, max_value=599)
    workflow = forms.UUIDField(required=False, widget=forms.HiddenInput)
    execution = forms.UUIDField(required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        for name, each in self.fields.items():
            each.widget.attrs |= {"aria-label": _LABELS[name], "autocomplete": "off"}
        self.fields["status_code"].widget.attrs |= {"placeholder": _("Status code")}
        self.fields["execution"].widget.attrs |= {
            "placeholder": _("Execution id"),
            "maxlength": 36,
            "spellcheck": "false",
        }


class DeliveryFilters(ListFilters):
    """The filters of the list of deliveries."""

    status = forms.MultipleChoiceField(
        required=False, choices=[(each.value, STATUSES[each.value]) for each in DeliveryStatus]
    )
    endpoint = forms.ModelChoiceField(Endpoint.objects.none(), required=False, empty_label=_("Any endpoint"))
    event_type = forms.CharField(required=False, max_length=60)
    origin = forms.ChoiceField(required=False, choices=[("", _("Any origin")), *ORIGINS])

    def __init__(self, data: Any, user: User) -> None:
        super().__init__(data)
        choice = self.fields["endpoint"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = Endpoint.objects.visible_to(user).only("name").order_by("name")
        self.fields["event_type"].widget.attrs |= {
            "placeholder": _("Event type: execution.*"),
            "list": "event-types",
            "spellcheck": "false",
        }

    def question(self) -> dict[str, Any]:
        """Return the filters in the format of the API, for operations on all matching deliveries."""
        chosen, (since, until) = self.chosen(), self.span()
        parameters: dict[str, Any] = {
            name: moment.isoformat() for name, moment in (("since", since), ("until", until)) if moment
        }
        parameters |= {name: str(chosen[name]) for name in ("workflow", "execution") if name in chosen}
        parameters |= {name: chosen[name] for name in ("status", "status_code") if name in chosen}
        if "origin" in chosen:
            parameters["origin"] = [chosen["origin"]]
        if "endpoint" in chosen:
            parameters["endpoint"] = [str(chosen["endpoint"].pk)]
        if "event_type" in chosen:
            parameters["event_type"] = _types(chosen["event_type"])
        return parameters

    def filter(self, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Return the deliveries that match."""
        chosen, (since, until) = self.chosen(), self.span()
        return DeliveryFilter(
            statuses=chosen.get("status", []),
            endpoints=[chosen["endpoint"].pk] if "endpoint" in chosen else [],
            event_types=_types(chosen["event_type"]) if "event_type" in chosen else [],
            origins=[chosen["origin"]] if "origin" in chosen else [],
            execution=chosen.get("execution"),
            workflow=chosen.get("workflow"),
            status_code=chosen.get("status_code"),
            since=since,
            until=until,
        ).applied(deliveries)


class InboundFilters(ListFilters):
    """The filters of the list of inbound requests."""

    accepted = forms.MultipleChoiceField(required=False, choices=[("yes", _("accepted")), ("no", _("rejected"))])
    path = forms.CharField(required=False, max_length=300)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.fields["path"].widget.attrs |= {"placeholder": _("Path"), "spellcheck": "false"}

    def filter(self, requests: QuerySet[InboundRequest]) -> QuerySet[InboundRequest]:
        """Return the requests that match."""
        chosen = self.chosen()
        for name, column in (
            ("status_code", "status_code"),
            ("workflow", "workflow_id"),
            ("execution", "execution_id"),
        ):
            if name in chosen:
                requests = requests.filter(**{column: chosen[name]})
        if len(chosen.get("accepted", [])) == 1:
            requests = requests.filter(accepted=chosen["accepted"] == ["yes"])
        if "path" in chosen:
            requests = requests.filter(path__icontains=chosen["path"].removeprefix("/hooks/").strip("/"))
        since, until = self.span()
        if since:
            requests = requests.filter(received_at__gte=since)
        return requests.filter(received_at__lt=until) if until else requests


def deliveries_of(user: User) -> QuerySet[Delivery]:
    """Return the deliveries that the user may see, newest first, with the columns of a row."""
    deliveries = Delivery.objects.visible_to(user).select_related("endpoint").order_by("-id")
    return deliveries.defer("body", "sealed", "endpoint__sealed", "endpoint__filter", "endpoint__transform")


def inbound_of(user: User) -> QuerySet[InboundRequest]:
    """Return the inbound requests that the user may see; staff also see requests without a workspace."""
    visible = Q(workspace__in=Workspace.objects.visible_to(user).order_by().values("pk"))
    if user.is_active and user.is_staff:
        visible |= Q(workspace__isnull=True)
    return InboundRequest.objects.filter(visible).order_by("-id")


def _types(text: str) -> list[str]:
    """Return the event types that match a pattern or prefix; without a match, the text itself."""
    for pattern in (text.strip(), f"{text.strip()}*"):
        try:
            return sorted(matching_types([pattern]))
        except UnknownEventType:
            continue
    return [text.strip()]
