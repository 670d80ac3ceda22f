"""Serializers of endpoints. Secrets are write-only; a signing secret is returned once, when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from webhooks import validation
from webhooks.api.policy_fields import AuthSerializer, RetryPolicySerializer
from webhooks.endpoints import endpoint_secrets, lifecycle
from webhooks.models import Endpoint, Lane, Ordering, Signature
from webhooks.models.endpoint import MAX_SCRIPT, MAX_URL
from webhooks.validation import InvalidValue
from workflow_platform.core.api.inputs import BodySerializer, QueryBoolean, QuerySerializer

METHODS = ["POST", "PUT", "PATCH"]
LONGEST_TIMEOUT = 60.0
MOST_CONCURRENT = 100
LONGEST_OVERLAP_HOURS = 24 * 30
READ_ONLY = frozenset({
    "id", "workspace", "header_names", "signing_secrets", "state", "health", "queued", "paused_at", "disabled_at",
    "disabled_reason", "created_by", "created_at", "updated_at",
})  # fmt: skip


def run_check(check: Callable[..., None], *values: Any) -> None:
    """Run a check of `webhooks.validation`. Raises ValidationError with its message."""
    try:
        check(*values)
    except InvalidValue as error:
        raise serializers.ValidationError(str(error)) from None


class LaneSerializer(serializers.ModelSerializer[Lane]):
    """The health of the receiver."""

    class Meta:
        model = Lane
        fields = [
            "window", "failures", "failing_since", "open_until", "slow_ms", "not_before", "succeeded_at", "failed_at",
        ]  # fmt: skip
        read_only_fields = fields


class SigningSecretSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=Signature.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="After a rotation: when the secret stops signing. Null for the current secret."
    )
    public_key = serializers.CharField(
        allow_null=True, help_text="For v1a: the public key `whpk_…` that verifies the signatures."
    )


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """An endpoint."""

    # context["admin_of"]: the workspaces in which the caller is an admin, and sees whole URLs.

    workflow = serializers.UUIDField(source="workflow_id", allow_null=True)
    url = serializers.SerializerMethodField(help_text="Only admins see the values of the query.")
    auth = serializers.SerializerMethodField()
    retry_policy = RetryPolicySerializer()
    state = serializers.SerializerMethodField(
        help_text="active, paused, inactive, or disabled (by the responses of the receiver)."
    )
    health = LaneSerializer(source="lane", allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Endpoint
        fields = [
            "id", "workspace", "name", "description", "url", "method", "event_types", "workflow", "filter",
            "transform", "header_names", "auth", "signature", "retry_policy", "timeout_seconds", "rate_limit",
            "rate_seconds", "max_concurrent", "ordering", "follow_redirects", "active", "state", "paused_at",
            "disabled_at", "disabled_reason", "health", "created_by", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    def _is_admin(self, row: Endpoint) -> bool:
        return row.workspace_id in self.context["admin_of"]

    def get_url(self, row: Endpoint) -> str:
        return lifecycle.whole_url(row) if self._is_admin(row) else row.url

    def get_auth(self, row: Endpoint) -> ShownAuth:
        """Return the type of the authentication."""
        return {"type": row.auth_type}

    def get_state(self, row: Endpoint) -> str:
        if row.disabled_at is not None:
            return "disabled"
        if not row.active:
            return "inactive"
        return "paused" if row.paused_at is not None else "active"


ShownAuth = dict[str, Any]


class EndpointDetailSerializer(EndpointSerializer):
    """An endpoint with its signing secrets (admins only) and the number of unsent deliveries."""

    signing_secrets = serializers.SerializerMethodField(
        help_text="The secrets that sign now, without their values. Null for all but admins."
    )
    queued = serializers.SerializerMethodField(help_text="Deliveries that are pending or being sent.")

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "signing_secrets", "queued"]
        read_only_fields = fields

    def get_auth(self, row: Endpoint) -> ShownAuth:
        """Return the type of the authentication and, for admins, its parts that are not secret."""
        secrets = lifecycle.opened(row) if self._is_admin(row) else None
        return super().get_auth(row) if secrets is None else endpoint_secrets.shown_auth(secrets.auth)

    def get_signing_secrets(self, row: Endpoint) -> list[dict[str, Any]] | None:
        """Return the secrets; None if the caller is not an admin, or no key decrypts them."""
        secrets = lifecycle.opened(row) if self._is_admin(row) else None
        if secrets is None:
            return None
        return list(SigningSecretSerializer(endpoint_secrets.shown_signing(secrets), many=True).data)

    def get_queued(self, row: Endpoint) -> int:
        return int(self.context["queued"])


class IssuedEndpointSerializer(EndpointDetailSerializer):
    secret = serializers.SerializerMethodField(help_text="The signing secret. It is shown only in this response.")

    class Meta(EndpointDetailSerializer.Meta):
        fields = [*EndpointDetailSerializer.Meta.fields, "secret"]
        read_only_fields = fields

    def get_secret(self, row: Endpoint) -> str | None:
        """Return the secret; None if the request repeats an Idempotency-Key."""
        return self.context.get("secret")


class EndpointWriteSerializer(BodySerializer):
    """The fields of an endpoint. Omitted `auth` and `headers` stay unchanged, also with PUT."""

    name = serializers.CharField(max_length=200, required=False, help_text="Defaults to the host of the URL.")
    description = serializers.CharField(max_length=5_000, default="", allow_blank=True)
    url = serializers.CharField(max_length=MAX_URL)
    method = serializers.ChoiceField(choices=METHODS, default="POST")
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=1,
        max_length=validation.MOST_PATTERNS,
        help_text="Subscribed event types or patterns: `execution.*`, `workflow.updated`; `*` for all events.",
    )
    workflow = serializers.UUIDField(
        default=None, allow_null=True, source="workflow_id", help_text="Only events of this workflow."
    )
    filter = serializers.CharField(
        max_length=MAX_SCRIPT,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="JavaScript expression over `event`. Events for which it is falsy are not sent.",
    )
    transform = serializers.CharField(
        max_length=MAX_SCRIPT,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="JavaScript function body that returns the payload for `event`.",
    )
    headers = serializers.DictField(
        child=serializers.CharField(allow_blank=True, allow_null=True, trim_whitespace=False),
        required=False,
        write_only=True,
        help_text="All extra headers. A null value keeps the stored value. Responses show only `header_names`.",
    )
    auth = AuthSerializer(required=False, help_text="Omitted parts stay unchanged if the type stays the same.")
    retry_policy = RetryPolicySerializer(default=dict)
    timeout_seconds = serializers.FloatField(min_value=0.5, max_value=LONGEST_TIMEOUT, default=15.0)
    rate_limit = serializers.IntegerField(
        min_value=1,
        max_value=100_000,
        allow_null=True,
        default=None,
        help_text="Maximum of attempts within any `rate_seconds`. Null: unlimited.",
    )
    rate_seconds = serializers.FloatField(min_value=0.1, max_value=86_400, default=1.0)
    max_concurrent = serializers.IntegerField(min_value=1, max_value=MOST_CONCURRENT, default=10)
    ordering = serializers.ChoiceField(choices=Ordering.choices, default=Ordering.UNORDERED)
    follow_redirects = serializers.BooleanField(default=False)
    active = serializers.BooleanField(default=True)

    def validate_url(self, value: str) -> str:
        """Reject URLs that outbound requests may not call."""
        run_check(validation.check_url, value)
        return value

    def validate_event_types(self, value: list[str]) -> list[str]:
        """Reject patterns that match no event type."""
        run_check(validation.check_event_types, value)
        return list(dict.fromkeys(value))

    def validate_filter(self, value: str) -> str:
        """Reject scripts with syntax errors."""
        run_check(validation.check_filter, value, self._group())
        return value

    def validate_transform(self, value: str) -> str:
        """Reject scripts with syntax errors."""
        run_check(validation.check_transform, value, self._group())
        return value

    def _group(self) -> str:
        """Return the group that the sandbox counts the check for: the workspace, or the creating user."""
        return str(self.instance.workspace_id) if self.instance is not None else str(self.context.get("group", ""))

    def validate_headers(self, value: dict[str, str | None]) -> dict[str, str | None]:
        """Reject headers that the platform sets, and invalid ones."""
        run_check(validation.check_headers, value, ("content-type",))
        return value

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        self._refuse_unknown()
        if "name" not in data and "url" in data and not self.partial:
            data["name"] = self.instance.name if self.instance is not None else validation.host_of(data["url"])
        return data

    def _refuse_unknown(self) -> None:
        if not isinstance(self.initial_data, dict):
            return
        unknown = sorted(set(self.initial_data) - set(self.fields) - READ_ONLY)
        if self.instance is not None and self.initial_data.get("signature") == self.instance.signature:
            unknown = [name for name in unknown if name != "signature"]
        if unknown:
            if unknown[0] in {"signature", "secret"}:
                message = "This field cannot be changed here. Use POST /api/webhooks/endpoints/{id}/rotate-secret/."
            else:
                message = f"Unknown field. Known fields: {', '.join(self.fields)}."
            raise serializers.ValidationError({str(unknown[0])[:60]: message})


class EndpointCreateSerializer(EndpointWriteSerializer):
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")
    signature = serializers.ChoiceField(choices=Signature.choices, default=Signature.V1)
    secret = serializers.CharField(
        required=False,
        max_length=200,
        write_only=True,
        help_text="`whsec_…` (v1) or `whsk_…` (v1a). Generated by default.",
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if (secret := data.get("secret")) is not None:
            _check_secret(data["signature"], secret)
        return super().validate(data)


class EndpointFilterSerializer(QuerySerializer):
    workspace = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    active = QueryBoolean(required=False)


class TestEventSerializer(BodySerializer):
    event_type = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=60,
        help_text="Send the newest recorded event of this type. By default a sample event is sent.",
    )

    def validate_event_type(self, value: str) -> str:
        """Reject unknown event types."""
        if value:
            run_check(validation.check_event_types, [value])
        return value


class RotationSerializer(BodySerializer):
    secret = serializers.CharField(required=False, max_length=200, write_only=True, help_text="Generated by default.")
    signature = serializers.ChoiceField(choices=Signature.choices, required=False, help_text="Unchanged by default.")
    overlap_hours = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        help_text="How long previous secrets still sign; 0 ends them now. Default: WEBHOOK_SECRET_OVERLAP_HOURS.",
    )


def _check_secret(signature: str, secret: str) -> None:
    try:
        endpoint_secrets.check(signature, secret)
    except InvalidValue as error:
        raise serializers.ValidationError({"secret": str(error)}) from None
