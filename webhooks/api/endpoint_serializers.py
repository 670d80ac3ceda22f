"""What the API takes in and gives out of endpoints. Secrets go in; a signing secret comes out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from webhooks import validation
from webhooks.api.policy_fields import AuthSerializer, RetryPolicySerializer
from webhooks.endpoints import endpoint_secrets, lifecycle
from webhooks.models import Endpoint, Lane, Ordering, Signature
from webhooks.models.endpoint import MAX_SCRIPT, MAX_URL
from webhooks.validation import Refused
from workflow_platform.core.api.inputs import BodySerializer, QueryBoolean, QuerySerializer

METHODS = ["POST", "PUT", "PATCH"]
LONGEST_TIMEOUT = 60.0
MOST_CONCURRENT = 100
LONGEST_OVERLAP_HOURS = 24 * 30
READ_ONLY = frozenset({
    "id", "workspace", "header_names", "signing_secrets", "state", "health", "queued", "paused_at", "disabled_at",
    "disabled_reason", "created_by", "created_at", "updated_at",
})  # fmt: skip


def taken(check: Callable[..., None], *values: Any) -> None:
    """Run a check of `webhooks.validation`. Raises ValidationError with what it says."""
    try:
        check(*values)
    except Refused as error:
        raise serializers.ValidationError(str(error)) from None


class LaneSerializer(serializers.ModelSerializer[Lane]):
    """How the receiver does."""

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
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when it signs too; null: the current one.")
    public_key = serializers.CharField(allow_null=True, help_text="Of v1a: what verifies, `whpk_…`.")


class ShownAuthSerializer(AuthSerializer):
    pass


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """An endpoint. `context["admin_of"]` holds the workspaces in which the caller is an admin and sees URLs whole."""

    workflow = serializers.UUIDField(source="workflow_id", allow_null=True)
    url = serializers.SerializerMethodField(help_text="To all but admins with the values of its query masked.")
    auth = serializers.SerializerMethodField()
    retry_policy = RetryPolicySerializer()
    state = serializers.SerializerMethodField(help_text="active, paused, inactive, or disabled by what it answered.")
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
        """Return its type."""
        return {"type": row.auth_type}

    def get_state(self, row: Endpoint) -> str:
        if row.disabled_at is not None:
            return "disabled"
        if not row.active:
            return "inactive"
        return "paused" if row.paused_at is not None else "active"


ShownAuth = dict[str, Any]


class EndpointDetailSerializer(EndpointSerializer):
    """One endpoint, with what only admins see of what is sealed; `context["queued"]` counts what waits."""

    signing_secrets = serializers.SerializerMethodField(help_text="Which secrets sign now; for admins.")
    queued = serializers.SerializerMethodField(help_text="Deliveries that wait, or are being sent.")

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "signing_secrets", "queued"]
        read_only_fields = fields

    def get_auth(self, row: Endpoint) -> ShownAuth:
        """Return its type and, to admins, what of it is no secret."""
        held = lifecycle.opened(row) if self._is_admin(row) else None
        return super().get_auth(row) if held is None else endpoint_secrets.shown_auth(held.auth)

    def get_signing_secrets(self, row: Endpoint) -> list[dict[str, Any]] | None:
        """Return them; None to who is no admin, and where no key opens them."""
        held = lifecycle.opened(row) if self._is_admin(row) else None
        return None if held is None else SigningSecretSerializer(endpoint_secrets.shown_signing(held), many=True).data  # type: ignore[return-value]

    def get_queued(self, row: Endpoint) -> int:
        return int(self.context["queued"])


class IssuedEndpointSerializer(EndpointDetailSerializer):
    secret = serializers.SerializerMethodField(help_text="The signing secret: shown this once.")

    class Meta(EndpointDetailSerializer.Meta):
        fields = [*EndpointDetailSerializer.Meta.fields, "secret"]
        read_only_fields = fields

    def get_secret(self, row: Endpoint) -> str | None:
        """Return it; None where a request with an Idempotency-Key came again."""
        return self.context.get("secret")


class EndpointWriteSerializer(BodySerializer):
    """The fields of an endpoint. `auth` and `headers` that are left out stay as they are, also with PUT."""

    name = serializers.CharField(max_length=200, required=False, help_text="By default the host of the URL.")
    description = serializers.CharField(max_length=5_000, default="", allow_blank=True)
    url = serializers.CharField(max_length=MAX_URL)
    method = serializers.ChoiceField(choices=METHODS, default="POST")
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=1,
        max_length=validation.MOST_PATTERNS,
        help_text="Patterns: `execution.*`, `workflow.updated`; `*` for every event.",
    )
    workflow = serializers.UUIDField(
        default=None, allow_null=True, source="workflow_id", help_text="Only events of this workflow."
    )
    filter = serializers.CharField(
        max_length=MAX_SCRIPT,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="JavaScript: an expression over `event`; what is falsy is not sent.",
    )
    transform = serializers.CharField(
        max_length=MAX_SCRIPT,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="JavaScript: the body of a function that returns the payload for `event`.",
    )
    headers = serializers.DictField(
        child=serializers.CharField(allow_blank=True, allow_null=True, trim_whitespace=False),
        required=False,
        write_only=True,
        help_text="All of them; a value that is null stays what it is. Their names are shown as `header_names`.",
    )
    auth = AuthSerializer(required=False, help_text="Of the same type, what is left out stays what it is.")
    retry_policy = RetryPolicySerializer(default=dict)
    timeout_seconds = serializers.FloatField(min_value=0.5, max_value=LONGEST_TIMEOUT, default=15.0)
    rate_limit = serializers.IntegerField(
        min_value=1, max_value=100_000, allow_null=True, default=None, help_text="Attempts in any `rate_seconds`."
    )
    rate_seconds = serializers.FloatField(min_value=0.1, max_value=86_400, default=1.0)
    max_concurrent = serializers.IntegerField(min_value=1, max_value=MOST_CONCURRENT, default=10)
    ordering = serializers.ChoiceField(choices=Ordering.choices, default=Ordering.UNORDERED)
    follow_redirects = serializers.BooleanField(default=False)
    active = serializers.BooleanField(default=True)

    def validate_url(self, value: str) -> str:
        """Refuse what may not be called."""
        taken(validation.check_url, value)
        return value

    def validate_event_types(self, value: list[str]) -> list[str]:
        """Refuse patterns that nothing fits."""
        taken(validation.check_event_types, value)
        return list(dict.fromkeys(value))

    def validate_filter(self, value: str) -> str:
        """Refuse what does not parse."""
        taken(validation.check_filter, value, self._group())
        return value

    def validate_transform(self, value: str) -> str:
        """Refuse what does not parse."""
        taken(validation.check_transform, value, self._group())
        return value

    def _group(self) -> str:
        """Return who the sandbox processes count a check for: the endpoint's workspace, or who makes a new one."""
        return str(self.instance.workspace_id) if self.instance is not None else str(self.context.get("group", ""))

    def validate_headers(self, value: dict[str, str | None]) -> dict[str, str | None]:
        """Refuse what is the platform's to say, and what HTTP does not allow."""
        taken(validation.check_headers, value, ("content-type",))
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
            hint = " It changes with /rotate-secret/." if unknown[0] in {"signature", "secret"} else ""
            known = ", ".join(self.fields)
            said = f"There is no such field to change.{hint}" if hint else f"There is no such field; there are {known}."
            raise serializers.ValidationError({str(unknown[0])[:60]: said})


class EndpointCreateSerializer(EndpointWriteSerializer):
    workspace = serializers.UUIDField(required=False, help_text="Needed where you are a member of several workspaces.")
    signature = serializers.ChoiceField(choices=Signature.choices, default=Signature.V1)
    secret = serializers.CharField(
        required=False, max_length=200, write_only=True, help_text="`whsec_…` (v1) or `whsk_…` (v1a); by default new."
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
        help_text="The newest recorded event of this type; by default one is made up.",
    )

    def validate_event_type(self, value: str) -> str:
        """Refuse a type that there is none of."""
        if value:
            taken(validation.check_event_types, [value])
        return value


class RotationSerializer(BodySerializer):
    secret = serializers.CharField(required=False, max_length=200, write_only=True, help_text="By default a new one.")
    signature = serializers.ChoiceField(choices=Signature.choices, required=False, help_text="By default as before.")
    overlap_hours = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        help_text="So long those before sign too; WEBHOOK_SECRET_OVERLAP_HOURS. 0 ends them at once.",
    )


def _check_secret(signature: str, secret: str) -> None:
    try:
        endpoint_secrets.check(signature, secret)
    except Refused as error:
        raise serializers.ValidationError({"secret": str(error)}) from None
