"""Query fields that several endpoints of events share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from events.catalogue.event_types import UnknownEventType
from events.history.cursors import BadCursor, Cursor
from events.history.event_filter import BadPattern, EventFilter, is_own, matching_sources, matching_types
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.api.inputs import Moment, QuerySerializer

MOST_VALUES = 100


class ManyField(serializers.ListField):
    """Several values: repeat the parameter, or separate them by commas."""

    def __init__(self, child: Any = None, **kwargs: Any) -> None:
        child = child or serializers.CharField(max_length=80)
        super().__init__(child=child, max_length=MOST_VALUES, required=False, **kwargs)

    def run_child_validation(self, data: Any) -> Any:
        """Return the values. Raises ValidationError for the whole parameter, since its values have no names."""
        try:
            return super().run_child_validation(data)
        except serializers.ValidationError as error:
            errors: Any = error.detail
            raise serializers.ValidationError(next(iter(errors.values()))) from None

    def get_value(self, dictionary: Any) -> Any:
        """Return the values; empty ones between commas are left out."""
        if not hasattr(dictionary, "getlist"):
            return super().get_value(dictionary)
        values = [part.strip() for text in dictionary.getlist(self.field_name) for part in text.split(",")]
        return [value for value in values if value] or empty


class TextsField(ManyField):
    """Several texts, each in a parameter of its own, since a comma may be part of a text. Empty ones are left out."""

    allow_blank = True

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.CharField(max_length=200, trim_whitespace=False)
        super().__init__(child=child, **kwargs)

    def get_value(self, dictionary: Any) -> Any:
        """Return the texts."""
        if not hasattr(dictionary, "getlist"):
            return super().get_value(dictionary)
        return [text for text in dictionary.getlist(self.field_name) if text] or empty


class CursorField(serializers.CharField):
    """A cursor from an earlier response."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the Cursor."""
        try:
            return Cursor.parse(super().to_internal_value(data))
        except BadCursor as error:
            raise serializers.ValidationError(str(error)) from None


def checked_types(patterns: list[str]) -> list[str]:
    """Return the patterns. Raises ValidationError for a pattern that matches no event type."""
    try:
        matching_types(patterns)
    except UnknownEventType as error:
        raise serializers.ValidationError(str(error)) from None
    return patterns


class EventFilterSerializer(QuerySerializer):
    """The filter of events."""

    type = ManyField(help_text="Patterns such as `execution.*`, separated by commas or in repeated parameters.")
    source = ManyField(help_text="Patterns such as `executions.*`, separated in the same way.")  # type: ignore[assignment]
    workflow = serializers.UUIDField(required=False)
    execution = serializers.UUIDField(required=False)
    stream = ManyField(
        help_text="`execution:<id>`, `workflow:<id>`, `executions`, `system` (staff), separated in the same way."
    )
    since = Moment(required=False, help_text="Events at this time or later.")
    until = Moment(required=False, help_text="Events before this time.")
    q = TextsField(
        help_text="Text in the event's type, or in its data as JSON. Case does not matter; there are no wildcards."
        " Repeat the parameter for events with any of several texts."
    )
    before = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="Only events with a lower sequence; together with `execution`, or with one `stream` that is not"
        " `executions` or `workflow:<id>`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject `before` without the stream whose sequences it means."""
        streams = attrs.get("stream", [])
        one = "execution" in attrs or (len(streams) == 1 and is_own(streams[0]))
        if "before" in attrs and not one:
            message = "This needs `execution`, or one `stream` with sequences of its own: an execution's, or `system`."
            raise serializers.ValidationError({"before": [message]})
        return attrs

    def validate_type(self, patterns: list[str]) -> list[str]:
        """Reject a pattern that matches no event type."""
        return checked_types(patterns)

    def validate_source(self, patterns: list[str]) -> list[str]:
        """Reject invalid patterns of sources."""
        try:
            matching_sources(patterns)
        except BadPattern as error:
            raise serializers.ValidationError(str(error)) from None
        return patterns

    def event_filter(self, user: Any) -> EventFilter:
        """Return the filter, limited to what `user` may see. Call it after validation."""
        parameters = self.validated_data
        return EventFilter(
            types=parameters.get("type", ()),
            sources=parameters.get("source", ()),
            workflow=parameters.get("workflow"),
            execution=parameters.get("execution"),
            streams=parameters.get("stream", ()),
            since=parameters.get("since"),
            until=parameters.get("until"),
            texts=parameters.get("q", ()),
            before=parameters.get("before"),
            workspaces=list(Workspace.objects.visible_to(user).order_by().values_list("pk", flat=True)),
            installation=bool(user.is_staff and user.is_active),
        )
