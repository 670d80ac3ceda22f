"""What the API takes in and gives out of operations: many deliveries at once, counted before anything is done."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from events.api.query_fields import checked_types
from webhooks.models import DeliveryStatus, Operation, OperationKind, OperationState, Origin
from webhooks.operations.choosing import MOST_IDS, Chosen
from workflow_platform.core.api.inputs import BodySerializer, Moment, QuerySerializer

CHOSEN = [OperationKind.REDELIVER, OperationKind.CANCEL, OperationKind.RECOVER]


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """How far it has come. One that was cut off by a crash goes on by itself."""

    endpoint = serializers.UUIDField(source="endpoint_id", allow_null=True)
    filter = serializers.JSONField(source="chosen", help_text="Which deliveries, or events.")
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
    endpoint = serializers.UUIDField(allow_null=True, help_text="Null: ad-hoc deliveries to this host.")
    name = serializers.CharField()
    url = serializers.CharField(help_text="With the values of its query masked.")
    count = serializers.IntegerField()


class PlanSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    count = serializers.IntegerField(help_text="Deliveries, or events that become deliveries.")
    first_ids = serializers.ListField(child=serializers.UUIDField(), help_text="The first of them.")
    recipients = RecipientSerializer(many=True)
    operation = OperationSerializer(allow_null=True, help_text="What was started; null for a dry run.")


class _TimesSerializer(BodySerializer):
    closed = True
    since = Moment(help_text="Then or later.")
    until = Moment(required=False, help_text="Earlier; by default now.")
    dry_run = serializers.BooleanField(default=True, help_text="Only count, and show to whom it would go.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if data.get("since") and data.get("until") and data["until"] <= data["since"]:
            raise serializers.ValidationError({"until": "It must be after since."})
        return data

    def chosen(self) -> Chosen:
        """Return what is meant. Call it once the data are valid."""
        return Chosen(**{name: value for name, value in self.validated_data.items() if name != "dry_run"})


class RecoverSerializer(_TimesSerializer):
    pass


class EndpointReplaySerializer(_TimesSerializer):
    workflow = serializers.UUIDField(required=False, help_text="By default that of the endpoint, if it has one.")
    execution = serializers.UUIDField(required=False)
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=50,
        help_text="Patterns; by default those of the endpoint.",
    )

    def validate_event_types(self, value: list[str]) -> list[str]:
        """Refuse a pattern that no type fits."""
        return checked_types(value)


class OperationFilterSerializer(BodySerializer):
    """Which deliveries; all that is given must be true of them. Times are those at which they were made; of `recover`,
    which needs `since` and takes no status, origin or ids, those at which they failed."""

    closed = True

    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_IDS)
    status = serializers.ListField(
        child=serializers.ChoiceField(choices=DeliveryStatus.choices), required=False, max_length=5
    )
    endpoint = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=500)
    event_type = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, max_length=50, help_text="Patterns."
    )
    origin = serializers.ListField(child=serializers.ChoiceField(choices=Origin.choices), required=False, max_length=5)
    execution = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    status_code = serializers.IntegerField(required=False, min_value=100, max_value=599)
    since = Moment(required=False, help_text="Then or later.")
    until = Moment(required=False, help_text="Earlier.")

    def validate_event_type(self, value: list[str]) -> list[str]:
        """Refuse a pattern that no type fits."""
        return checked_types(value)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data:
            raise serializers.ValidationError("Say which deliveries: at least one of its fields is needed.")
        return data


class OperationRequestSerializer(BodySerializer):
    closed = True
    kind = serializers.ChoiceField(
        choices=[(kind.value, kind.label) for kind in CHOSEN],
        help_text="To replay history to an endpoint: /api/webhooks/endpoints/{id}/replay/.",
    )
    filter = OperationFilterSerializer()
    workspace = serializers.UUIDField(required=False, help_text="Needed where you are a member of several workspaces.")
    dry_run = serializers.BooleanField(default=True, help_text="Only count, and show to whom it would go.")

    def chosen(self) -> Chosen:
        """Return what is meant. Call it once the data are valid."""
        return Chosen(**self.validated_data["filter"])


class OperationListFilterSerializer(QuerySerializer):
    endpoint = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=OperationKind.choices, required=False)
    state = serializers.ChoiceField(choices=OperationState.choices, required=False)
