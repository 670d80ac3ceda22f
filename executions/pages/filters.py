"""The filters of the list of executions, from the URL of its page."""

from __future__ import annotations

import re
import shlex
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from executions.domain.statuses import ExecutionStatus
from executions.listing import Criteria, ListOrder
from executions.listing.columns import Column, chosen_columns, columns_of
from executions.listing.criteria import ATTRIBUTE_PATTERN, MAX_ATTRIBUTES, MAX_SECONDS, MAX_TEXT
from executions.models import Workflow
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.accounts.workspace_choice import offered, shown_workspace
from workflow_platform.core.api.page_filters import PageFilters
from workflow_platform.templatetags.words import STATUSES

SORTS = [
    ("", _("Newest first")),
    ("queued", _("Oldest first")),
    ("-duration", _("Longest first")),
    ("duration", _("Shortest first")),
    ("-ended", _("Ended last")),
]
TRIGGERS: list[tuple[str, str | Promise]] = [
    ("", _("Any trigger")),
    ("manual", pgettext_lazy("trigger", "Manual")),
    ("api", pgettext_lazy("trigger", "Api")),
    ("webhook", pgettext_lazy("trigger", "Webhook")),
    ("schedule", pgettext_lazy("trigger", "Schedule")),
    ("workflow", pgettext_lazy("trigger", "Workflow")),
    ("rerun", pgettext_lazy("trigger", "Rerun")),
    ("error", pgettext_lazy("trigger", "Error")),
]
MODES: list[tuple[str, str | Promise]] = [
    ("", _("Any mode")),
    ("live", pgettext_lazy("mode", "Live")),
    ("test", pgettext_lazy("mode", "Test")),
    ("debug", pgettext_lazy("mode", "Debug")),
]
FURTHER = (
    "text",
    "attribute",
    "node_ran",
    "node_failed",
    "version",
    "failed_node",
    "trigger",
    "mode",
    "min_duration",
    "max_duration",
)
"""Filters in the part of the form that opens."""
_PLAIN = ("status", "mode", "min_duration", "max_duration", "q", "cause", "failed_node", "text", "attribute")
_ATTRIBUTE = re.compile(ATTRIBUTE_PATTERN)
SEARCHED = _(
    "Words in the input, the outputs of nodes and the error of ended executions. The last word may be incomplete."
    " Field names, secrets, and inputs and outputs of more than 64 KiB are not searched."
)
_LABELS: dict[str, str | Promise] = {
    "workspace": _("Workspace"),
    "workflow": _("Workflow"),
    "version": _("Version"),
    "failed_node": _("Failed at node"),
    "node_ran": _("Node ran"),
    "node_failed": _("Node failed"),
    "attribute": _("Attribute"),
    "text": _("Text in input or output"),
    "mode": _("Mode"),
    "trigger": _("Trigger"),
    "range": _("Queued"),
    "since": _("Since"),
    "until": _("Until"),
    "min_duration": _("Longer than"),
    "max_duration": _("Shorter than"),
    "sort": _("Sort by"),
}


class AttributesInput(forms.TextInput):
    """One input for several attributes: separated by spaces, or as repeated parameters."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        """Return the attributes, separated by spaces."""
        values = data.getlist(name) if hasattr(data, "getlist") else [data.get(name) or ""]
        return values[0] if len(values) == 1 else shlex.join(values)


class AttributesFormField(forms.CharField):
    """Attributes as `key:value`, separated by spaces; one with a space is quoted."""

    widget = AttributesInput

    def to_python(self, value: Any) -> Any:
        """Return the valid attributes."""
        text = super().to_python(value) or ""
        if _ATTRIBUTE.fullmatch(text) and text.count(":") == 1:
            return [text]  # a value with spaces needs no quotes if it is the only one
        try:
            words = shlex.split(text)
        except ValueError:
            raise forms.ValidationError("A quotation mark is not closed.") from None
        return [word for word in words if _ATTRIBUTE.fullmatch(word)][:MAX_ATTRIBUTES]


class ExecutionFilters(PageFilters):
    """The filters of a list of executions. Invalid values are ignored."""

    workspace = forms.ModelChoiceField(Workspace.objects.none(), required=False, empty_label=_("All workspaces"))
    status = forms.MultipleChoiceField(
        required=False, choices=[(status.value, STATUSES[status.value]) for status in ExecutionStatus]
    )
    workflow = forms.ModelChoiceField(Workflow.objects.none(), required=False, empty_label=_("Any workflow"))
    version = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    cause = forms.RegexField(r"^[0-9a-f]{16}\Z", required=False, widget=forms.HiddenInput)
    failed_node = forms.CharField(required=False, max_length=100)
    node_ran = forms.CharField(required=False, max_length=100)
    node_failed = forms.CharField(required=False, max_length=100)
    attribute = AttributesFormField(required=False)
    text = forms.CharField(required=False, max_length=MAX_TEXT)
    mode = forms.ChoiceField(required=False, choices=MODES)
    trigger = forms.ChoiceField(required=False, choices=TRIGGERS)
    min_duration = forms.FloatField(required=False, min_value=0, max_value=MAX_SECONDS)
    max_duration = forms.FloatField(required=False, min_value=0, max_value=MAX_SECONDS)
    q = forms.CharField(required=False, max_length=MAX_TEXT)
    sort = forms.ChoiceField(required=False, choices=SORTS)
    columns = forms.RegexField(r"^[\w.,-]{1,1000}\Z", required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, user: User) -> None:
        super().__init__(data)
        workspaces = offered(user, Role.VIEWER)
        workflows = Workflow.objects.visible_to(user).filter(deleted_at__isnull=True).order_by("name")
        self._offer("workspace", Workspace.objects.visible_to(user).order_by("name"))
        self.shown = None if {"workspace", "workflow"} & self.chosen().keys() else shown_workspace(user)
        """The workspace chosen in the navigation, unless the URL names one."""
        self.workspaces = [each for each in workspaces if self.shown in {None, each.pk}]
        chosen = self.chosen().get("workspace") or self.shown
        self._offer("workflow", workflows.filter(workspace=chosen) if chosen else workflows)
        self.full_clean()
        for name, label in _LABELS.items():
            self.fields[name].widget.attrs["aria-label"] = label
        for name in ("min_duration", "max_duration"):
            self.fields[name].widget.attrs |= {"placeholder": _("seconds"), "step": "any"}
        self.fields["version"].widget.attrs["placeholder"] = _("of the chosen workflow")
        for name in ("failed_node", "node_ran", "node_failed"):
            self.fields[name].widget.attrs |= {"list": "nodes", "placeholder": _("id of a node")}
        self.fields["attribute"].widget.attrs |= {"list": "attribute-keys", "placeholder": _("key:value")}
        self.fields["text"].widget.attrs |= {"placeholder": _("words"), "title": SEARCHED}

    def _offer(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows

    def criteria(self) -> Criteria:
        """Return what the list selects."""
        chosen = self.chosen()
        since, until = self.span()
        fields: dict[str, Any] = {name: chosen[name] for name in _PLAIN if name in chosen}
        for name in ("workspace", "workflow"):
            if name in chosen:
                fields[name] = chosen[name].pk
        if self.shown:
            fields["workspace"] = self.shown
        if "trigger" in chosen:
            fields["trigger"] = [chosen["trigger"]]
        for name in ("version", "node_ran", "node_failed"):
            if name in chosen and "workflow" in chosen:
                fields[name] = chosen[name]
        return Criteria(**fields, since=since, until=until)

    def sort_order(self) -> ListOrder:
        """Return the order of the list."""
        return ListOrder.named(self.chosen().get("sort", "-queued"))

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes of the chosen workflow, as suggestions."""
        workflow = self.chosen().get("workflow")
        version = workflow.latest_version if workflow else None
        return version.nodes if version else []

    @property
    def opened(self) -> bool:
        """Return whether a filter of the part that opens is set."""
        return any(name in self.chosen() for name in FURTHER)

    @property
    def narrowed(self) -> bool:
        """Return whether the list is filtered."""
        return bool(self.chosen().keys() - {"sort", "columns"})

    def shown_columns(self, user: User) -> list[Column]:
        """Return the columns of the list: those of the URL, which saved views have, or those that the user chose."""
        names = self.chosen().get("columns", "")
        return columns_of(names.split(",") if names else chosen_columns(user))
