"""Serializers of deliveries and their attempts."""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings
from django.utils import translation
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from events.api.query_fields import ManyField, checked_types
from events.history.event_filter import matching_types
from webhooks import validation
from webhooks.api.endpoint_serializers import LONGEST_TIMEOUT, run_check
from webhooks.api.policy_fields import AuthSerializer, RetryPolicySerializer
from webhooks.delivery_filter import DeliveryFilter
from webhooks.endpoints import endpoint_secrets, policies
from webhooks.endpoints.endpoint_secrets import merged_auth
from webhooks.explanation import why_pending
from webhooks.models import Delivery, DeliveryAttempt, DeliveryStatus, Origin, Rank
from webhooks.models.endpoint import MAX_URL
from webhooks.outbox import AdHoc
from webhooks.retry_schedule import RetryPolicy
from webhooks.secrets import NoAuth, SealedSecrets
from webhooks.signing import PRIVATE
from workflow_platform.core.api.inputs import BodySerializer, Moment, QuerySerializer
from workflow_platform.core.secrets import encryption

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PRIORITIES = [rank.name.lower() for rank in Rank]
MOST_BODY_BYTES = 1024 * 1024
KEY = r"^[\x21-\x7e]{1,200}$"


@extend_schema_field({"description": "A string or any other JSON value."})
class BodyField(serializers.Field[Any, Any, Any, Any]):
    """A string, which is sent as it is, or any other JSON value, which is sent as JSON."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A delivery without its body."""

    message_id = serializers.CharField(read_only=True, help_text="The `webhook-id`: the same on every attempt.")
    endpoint = serializers.UUIDField(source="endpoint_id", allow_null=True, help_text="Null: an ad-hoc delivery.")
    endpoint_name = serializers.CharField(source="endpoint.name", default="", read_only=True)
    url = serializers.SerializerMethodField(help_text="With the values of its query masked.")
    priority = serializers.SerializerMethodField()
    execution = serializers.UUIDField(source="execution_id", allow_null=True)
    workflow = serializers.UUIDField(source="workflow_id", allow_null=True)
    node = serializers.CharField(source="node_id")
    operation = serializers.UUIDField(source="operation_id", allow_null=True)
    next_attempt_at = serializers.SerializerMethodField(
        help_text="While the delivery is pending: the earliest time of the next attempt."
    )

    class Meta:
        model = Delivery
        fields = [
            "id", "message_id", "workspace", "endpoint", "endpoint_name", "origin", "status", "priority", "method",
            "url", "event_id", "event_type", "stream", "sequence", "execution", "workflow", "node", "run_index",
            "operation", "idempotency_key", "attempts_made", "status_code", "error", "cancel_requested", "created_at",
            "next_attempt_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_url(self, row: Delivery) -> str:
        return row.url or (row.endpoint.url if row.endpoint is not None else "")

    def get_priority(self, row: Delivery) -> str:
        return Rank(row.rank).name.lower()

    def get_next_attempt_at(self, row: Delivery) -> str | None:
        pending = row.status == DeliveryStatus.PENDING
        return serializers.DateTimeField().to_representation(row.due_at) if pending else None


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its body and settings."""

    header_names = serializers.SerializerMethodField()
    auth = serializers.SerializerMethodField()
    retry_policy = serializers.SerializerMethodField()
    timeout_seconds = serializers.SerializerMethodField()
    waiting_for = serializers.SerializerMethodField(
        help_text="While the delivery is pending: what it waits for, as a sentence."
    )

    class Meta(DeliverySerializer.Meta):
        fields = [
            *DeliverySerializer.Meta.fields, "content_type", "body", "prepared", "header_names", "auth",
            "retry_policy", "timeout_seconds", "waiting_for",
        ]  # fmt: skip
        read_only_fields = fields

    def get_header_names(self, row: Delivery) -> list[str]:
        if row.endpoint is not None:
            return list(row.endpoint.header_names)
        return sorted(self._held(row).headers)

    def get_auth(self, row: Delivery) -> dict[str, Any]:
        """Return the type of the authentication."""
        return {"type": row.endpoint.auth_type if row.endpoint is not None else self._held(row).auth.type}

    def get_retry_policy(self, row: Delivery) -> dict[str, Any]:
        """Return the policy with the delays that follow from it."""
        policy = row.endpoint.retry_policy if row.endpoint is not None else (row.options or {}).get("retry_policy")
        return policies.shown(RetryPolicy.model_validate(policy or {}))

    def get_timeout_seconds(self, row: Delivery) -> float | None:
        seconds = (
            row.endpoint.timeout_seconds if row.endpoint is not None else (row.options or {}).get("timeout_seconds")
        )
        return None if seconds is None else float(seconds)

    def get_waiting_for(self, row: Delivery) -> str | None:
        with translation.override(settings.LANGUAGE_CODE):
            return why_pending(row)

    def _held(self, row: Delivery) -> SealedSecrets:
        try:
            return SealedSecrets.of(row.sealed)
        except encryption.CannotDecrypt:
            return SealedSecrets()


class AttemptSerializer(serializers.ModelSerializer[DeliveryAttempt]):
    """One HTTP request. Secret headers are masked; the response is kept up to WEBHOOK_RESPONSE_MAX_BYTES."""

    delivery = serializers.UUIDField(source="delivery_id")

    class Meta:
        model = DeliveryAttempt
        fields = [
            "id", "delivery", "number", "outcome", "started_at", "url", "request_headers", "status_code",
            "response_headers", "response_body", "response_truncated", "error_class", "error", "dns_ms", "connect_ms",
            "tls_ms", "first_byte_ms", "total_ms", "next_attempt_at",
        ]  # fmt: skip
        read_only_fields = fields


class AdHocSerializer(BodySerializer):
    """An ad-hoc delivery to a URL."""

    closed = True
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")
    url = serializers.CharField(max_length=MAX_URL)
    method = serializers.ChoiceField(choices=METHODS, default="POST")
    headers = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), default=dict, write_only=True
    )
    body = BodyField(
        required=False,
        allow_null=True,
        default="",
        help_text="A string is sent as it is, as text/plain; any other JSON value as application/json. A header "
        "Content-Type overrides the type.",
    )
    timeout = serializers.FloatField(
        min_value=0.5, max_value=LONGEST_TIMEOUT, default=15.0, help_text="In seconds, for the whole request."
    )
    retry = RetryPolicySerializer(default=dict)
    authentication = AuthSerializer(default=None)
    secret = serializers.CharField(
        default="",
        max_length=200,
        write_only=True,
        help_text="The signing secret: `whsec_…` (v1) or `whsk_…` (v1a). Without it the request is unsigned.",
    )
    priority = serializers.ChoiceField(choices=PRIORITIES, default="default")
    idempotency_key = serializers.RegexField(
        KEY, default="", help_text="Idempotency key: at most one delivery per key in this workspace."
    )

    def validate_url(self, value: str) -> str:
        """Reject URLs that outbound requests may not call."""
        run_check(validation.check_url, value)
        return value

    def validate_headers(self, value: dict[str, str]) -> dict[str, str]:
        """Reject headers that the platform sets, and invalid ones."""
        run_check(validation.check_headers, value)
        return value

    def validate_secret(self, value: str) -> str:
        """Reject invalid signing secrets."""
        if value:
            run_check(endpoint_secrets.check, "v1a" if value.startswith(PRIVATE) else "v1", value)
        return value

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        text, type_ = _text_of(data["body"])
        if len(text.encode()) > MOST_BODY_BYTES:
            raise serializers.ValidationError({"body": f"At most {MOST_BODY_BYTES} bytes are sent."})
        content_types = [name for name in data["headers"] if name.lower() == "content-type"]
        data["content_type"] = data["headers"].pop(content_types[0]) if content_types else type_
        if len(data["content_type"]) > 200:
            raise serializers.ValidationError({"headers": "Content-Type has at most 200 characters."})
        data["body"] = text
        return data

    def ad_hoc(self, workspace_id: Any) -> AdHoc:
        """Return the delivery that the request describes."""
        data = self.validated_data
        return AdHoc(
            workspace_id=workspace_id,
            url=data["url"],
            method=data["method"],
            headers=data["headers"],
            body=data["body"],
            content_type=data["content_type"],
            auth=merged_auth(NoAuth(), data["authentication"] or {"type": "none"}),
            secret=data["secret"],
            timeout_seconds=data["timeout"],
            retry_policy=RetryPolicy.model_validate(data["retry"]),
            rank=Rank[data["priority"].upper()],
            origin=Origin.API,
            idempotency_key=data["idempotency_key"],
        )


def _text_of(body: Any) -> tuple[str, str]:
    if isinstance(body, str):
        return body, "text/plain; charset=utf-8"
    return ("", "application/json") if body is None else (orjson.dumps(body).decode(), "application/json")


class DeliveryFilterSerializer(QuerySerializer):
    """Filters of the list of deliveries."""

    status = ManyField(
        serializers.ChoiceField(choices=DeliveryStatus.choices),
        help_text="One or more statuses, separated by commas or in repeated parameters.",
    )
    endpoint = ManyField(serializers.UUIDField(), help_text="Ids of endpoints.")
    event_type = ManyField(help_text="Event types or patterns such as `execution.*`.")
    origin = ManyField(serializers.ChoiceField(choices=Origin.choices), help_text="Why the delivery was created.")
    execution = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    event_id = serializers.UUIDField(required=False)
    operation = serializers.UUIDField(required=False)
    status_code = serializers.IntegerField(
        required=False, min_value=100, max_value=599, help_text="Status code of the latest attempt."
    )
    since = Moment(required=False, help_text="Created at this time or later.")
    until = Moment(required=False, help_text="Created before this time.")

    def validate_event_type(self, value: list[str]) -> list[str]:
        """Reject patterns that match no event type."""
        return checked_types(value)

    def delivery_filter(self) -> DeliveryFilter:
        """Return the filter of the validated data."""
        data = self.validated_data
        return DeliveryFilter(
            statuses=data.get("status", ()),
            endpoints=data.get("endpoint", ()),
            event_types=matching_types(data["event_type"]) if "event_type" in data else (),
            origins=data.get("origin", ()),
            execution=data.get("execution"),
            workflow=data.get("workflow"),
            event=data.get("event_id"),
            operation=data.get("operation"),
            status_code=data.get("status_code"),
            since=data.get("since"),
            until=data.get("until"),
        )
