"""The filters of `/api/executions/`, and of the operations on the executions that they select."""

from __future__ import annotations

import math
from typing import Any, get_args

from rest_framework import serializers

from executions.domain.attributes import MAX_KEY, MAX_VALUE
from executions.domain.search_words import words_of
from executions.domain.statuses import ExecutionStatus
from executions.listing import MAX_GROUPS, Criteria, ListOrder
from executions.listing.criteria import ATTRIBUTE_PATTERN, MAX_ATTRIBUTES, MAX_SECONDS, MAX_TEXT, SortName
from executions.models import Mode, Trigger
from workflow_platform.core.api.inputs import Moment, QuerySerializer


class Seconds(serializers.FloatField):
    """A number of seconds, neither infinite nor NaN."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=MAX_SECONDS, **options)

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises ValidationError."""
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return float(value)


class AttributesField(serializers.ListField):
    """Attributes as `key:value`. An error is that of the whole parameter, since its values have no names."""

    child = serializers.RegexField(
        ATTRIBUTE_PATTERN.removesuffix("$") + r"\Z",
        max_length=MAX_KEY + 1 + MAX_VALUE,
        trim_whitespace=False,
        error_messages={"invalid": "Expected `key:value`, such as `customer:42`."},
    )

    def run_child_validation(self, data: Any) -> Any:
        """Return the attributes. Raises ValidationError."""
        try:
            return super().run_child_validation(data)
        except serializers.ValidationError as error:
            errors: Any = error.detail
            raise serializers.ValidationError(next(iter(errors.values()))) from None


class CriteriaFields(serializers.Serializer[Any]):
    """The fields of `Criteria`. All given ones must hold."""

    workspace = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="A version's number. It requires `workflow`."
    )
    status = serializers.MultipleChoiceField(choices=[s.value for s in ExecutionStatus], required=False)
    cause = serializers.RegexField(
        r"^[0-9a-f]{16}\Z", required=False, help_text="The `cause` of a failed execution: failures alike have the same."
    )
    failed_node = serializers.CharField(
        required=False, max_length=100, help_text="The id of the node that made the execution fail."
    )
    node_ran = serializers.CharField(
        required=False, max_length=100, help_text="The id of a node that ran, or runs. It requires `workflow`."
    )
    node_failed = serializers.CharField(
        required=False,
        max_length=100,
        help_text="The id of a node that failed, whether or not the execution went on. It requires `workflow`.",
    )
    attribute = AttributesField(
        required=False,
        max_length=MAX_ATTRIBUTES,
        help_text="`key:value`: executions on which the workflow set this attribute. Repeat the parameter for several"
        " attributes, which must all match.",
    )
    trigger = serializers.MultipleChoiceField(choices=Trigger.choices, required=False)
    mode = serializers.ChoiceField(choices=Mode.choices, required=False)
    held = serializers.BooleanField(
        required=False, help_text="`true`: only executions of which a node run waits for a person."
    )
    since = Moment(required=False, help_text="Queued at this time or later.")
    until = Moment(required=False, help_text="Queued before this time.")
    min_duration = Seconds(
        required=False,
        help_text="Seconds from start to end; for executions that have not ended, from start to now.",
    )
    max_duration = Seconds(required=False, help_text="Seconds.")
    rerun_of = serializers.UUIDField(required=False)
    q = serializers.CharField(
        required=False,
        max_length=MAX_TEXT,
        help_text="Part of the workflow's name or of the error's message, or the first eight or more digits of the id.",
    )

    text = serializers.CharField(
        required=False,
        max_length=MAX_TEXT,
        help_text="Words that the input, the outputs of nodes or the error of an ended execution contain, in any case;"
        " the last word may be incomplete. Words that are joined by other characters than spaces must follow each"
        " other, as in `alice@example.com`. Searched are values, not field names, of inputs and outputs up to 64 KiB,"
        " the first words of each execution (SEARCH_MAX_WORDS), without values that have the name of a secret.",
    )

    def validate_text(self, text: str) -> str:
        """Reject a text without a word."""
        if not words_of(text):
            raise serializers.ValidationError(f"{text!r} has no word. Give at least one letter or digit.")
        return text

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject a version or a node without its workflow."""
        if attrs.get("version") and not attrs.get("workflow"):
            raise serializers.ValidationError({"version": ["A version's number requires `workflow`."]})
        for name in ("node_ran", "node_failed"):
            if attrs.get(name) and not attrs.get("workflow"):
                raise serializers.ValidationError({name: ["A node's id requires `workflow`."]})
        return attrs


class ExecutionFilterSerializer(CriteriaFields, QuerySerializer):
    sort = serializers.ChoiceField(
        choices=get_args(SortName),
        default="-queued",
        help_text="`-` is descending. By duration and by end, the list has only executions that have ended.",
    )

    def criteria(self) -> Criteria:
        """Return the criteria of the validated query."""
        return criteria_of(self.validated_data)

    def sort_order(self) -> ListOrder:
        """Return the order of the list."""
        return ListOrder.named(self.validated_data["sort"])


def criteria_of(data: dict[str, Any]) -> Criteria:
    """Return the criteria of validated fields; others are left out."""
    chosen = {name: value for name, value in data.items() if name in Criteria.model_fields}
    lists = {name: sorted(value) for name, value in chosen.items() if isinstance(value, set)}
    return Criteria(**chosen | lists)


class FailureFilterSerializer(CriteriaFields, QuerySerializer):
    """The executions whose failures are grouped."""


class FailureGroupSerializer(serializers.Serializer[Any]):
    """The failures of one cause."""

    cause = serializers.CharField(source="id", help_text="A value for the filter `cause`.")
    workflow = serializers.UUIDField()
    workflow_name = serializers.CharField()
    node = serializers.CharField(source="cause.node", help_text="Empty if no node made the execution fail.")
    type = serializers.CharField(source="cause.type")
    pattern = serializers.CharField(
        source="cause.message", help_text="The message without numbers, ids and quoted texts."
    )
    message = serializers.CharField(help_text="The message of the last failure.")
    count = serializers.IntegerField()
    first_seen = serializers.DateTimeField(help_text="When the first of them was queued.")
    last_seen = serializers.DateTimeField(help_text="When the last of them was queued.")
    last_execution = serializers.UUIDField(source="last.pk")


class FailureGroupsSerializer(serializers.Serializer[Any]):
    groups = FailureGroupSerializer(many=True, help_text=f"The largest first; at most {MAX_GROUPS}.")
