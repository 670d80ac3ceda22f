"""Serializers of operations, which change many deliveries at once."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from events.api.query_fields import checked_types
from webhooks.models import DeliveryStatus, Operation, OperationKind, OperationState, Origin
from webhooks.operations.selection import MOST_IDS, DeliverySelection
from workflow_platform.core.api.inputs import BodySerializer, Moment, QuerySerializer

CHOSEN = [OperationKind.REDELIVER, OperationKind.CANCEL, OperationKind.RECOVER]


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """An operation and its progress. It resumes by itself after a crash."""

    endpoint = serializers.UUIDField(source="endpoint_id", allow_null=True)
    filter = serializers.JSONField(source="chosen", help_text="The filter of the deliveries or events.")
    percent = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Operation
        fields = [
            "id", "workspace", "kind", "endpoint", "filter", "state", "total", "done", "left_out", "percent", "error",
            "created_by", "created_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_percent(self, row: Operation) -> float:
        if row.state == OperationState.COMPLETED:
            return 100.0
        return round(min(100.0, 100 * (row.done + row.left_out) / row.total), 1) if row.total else 0.0


class RecipientSerializer(serializers.Serializer[Any]):
    endpoint = serializers.UUIDField(allow_null=True, help_text="Null for ad-hoc deliveries to this host.")
    name = serializers.CharField()
    url = serializers.CharField(help_text="With the values of its query masked.")
    count = serializers.IntegerField()


class PlanSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    count = serializers.IntegerField(help_text="The number of deliveries, or of events that become deliveries.")
    first_ids = serializers.ListField(child=serializers.UUIDField(), help_text="The ids of the first ones.")
    recipients = RecipientSerializer(many=True)
    operation = OperationSerializer(allow_null=True, help_text="The started operation; null for a dry run.")


class _TimesSerializer(BodySerializer):
    closed = True
    since = Moment(help_text="At this time or later.")
    until = Moment(required=False, help_text="Before this time. Defaults to now.")
    dry_run = serializers.BooleanField(default=True, help_text="Only count the deliveries and list their recipients.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if data.get("since") and data.get("until") and data["until"] <= data["since"]:
            raise serializers.ValidationError({"until": "`until` must be after `since`."})
        return data

    def chosen(self) -> DeliverySelection:
        """Return the selection of the validated data."""
        return DeliverySelection(**{name: value for name, value in self.validated_data.items() if name != "dry_run"})


class RecoverSerializer(_TimesSerializer):
    pass


class EndpointReplaySerializer(_TimesSerializer):
    workflow = serializers.UUIDField(
        required=False, help_text="Defaults to the workflow of the endpoint, if it has one."
    )
    execution = serializers.UUIDField(required=False)
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=50,
        help_text="Event types or patterns. Defaults to those of the endpoint.",
    )

    def validate_event_types(self, value: list[str]) -> list[str]:
        """Reject patterns that match no event type."""
        return checked_types(value)


class OperationFilterSerializer(BodySerializer):
    """A filter of deliveries; all given fields must match. `since` and `until` are times of creation. For `recover`,
    which requires `since` and accepts no status, origin or ids, they are times of failure."""

    closed = True

    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_IDS)
    status = serializers.ListField(
        child=serializers.ChoiceField(choices=DeliveryStatus.choices), required=False, max_length=5
    )
    endpoint = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=500)
    event_type = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=50,
        help_text="Event types or patterns such as `execution.*`.",
    )
    origin = serializers.ListField(child=serializers.ChoiceField(choices=Origin.choices), required=False, max_length=5)
    execution = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    status_code = serializers.IntegerField(required=False, min_value=100, max_value=599)
    since = Moment(required=False, help_text="At this time or later.")
    until = Moment(required=False, help_text="Before this time.")

    def validate_event_type(self, value: list[str]) -> list[str]:
        """Reject patterns that match no event type."""
        return checked_types(value)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data:
            raise serializers.ValidationError("The filter is empty. Give at least one field.")
        return data


class OperationRequestSerializer(BodySerializer):
    closed = True
    kind = serializers.ChoiceField(
        choices=[(kind.value, kind.label) for kind in CHOSEN],
        help_text="To replay events to an endpoint, use /api/webhooks/endpoints/{id}/replay/.",
    )
    filter = OperationFilterSerializer()
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")
    dry_run = serializers.BooleanField(default=True, help_text="Only count the deliveries and list their recipients.")

    def chosen(self) -> DeliverySelection:
        """Return the selection of the validated data."""
        return DeliverySelection(**self.validated_data["filter"])


class OperationListFilterSerializer(QuerySerializer):
    endpoint = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=OperationKind.choices, required=False)
    state = serializers.ChoiceField(choices=OperationState.choices, required=False)
