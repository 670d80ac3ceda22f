"""Retry policies and authentications in the API: validated by their models, described for OpenAPI here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from rest_framework import serializers
from rest_framework.settings import api_settings

from webhooks.endpoints import policies
from webhooks.endpoints.endpoint_secrets import merged_auth
from webhooks.retry_schedule import LONGEST_SECONDS, MOST_ATTEMPTS, RetryPolicy
from webhooks.secrets import NoAuth
from workflow_platform.core.api.inputs import BodySerializer, refuse_wrong_types
from workflow_platform.core.validation import field_errors

PRESETS = [("quick", "quick"), ("standard", "standard"), ("custom", "custom")]
NON_FIELD = api_settings.NON_FIELD_ERRORS_KEY
AUTH_TYPES = [(name, name) for name in ("none", "bearer", "basic", "header", "query", "hmac")]


def named_errors(error: ValidationError, skip: int = 0, default: str = "", values: bool = True) -> dict[str, list[str]]:
    """Return pydantic's errors by field; errors of the whole value under `default`."""
    messages: dict[str, list[str]] = {}
    for each in field_errors(error, locate=lambda location: location[skip:], values=values):
        messages.setdefault(each.dotted or default or NON_FIELD, []).append(each.message)
    return messages


class RetryPolicySerializer(BodySerializer):
    """A retry policy: the number of attempts and their delays. The computed fields are read-only."""

    closed = True

    preset = serializers.ChoiceField(choices=PRESETS, default="quick")
    max_attempts = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_ATTEMPTS,
        help_text="From 1 to 50. This and the following fields are for `custom` only.",
    )
    initial_seconds = serializers.FloatField(
        required=False, min_value=0, max_value=LONGEST_SECONDS, help_text="The maximum of the first delay."
    )
    multiplier = serializers.FloatField(
        required=False, min_value=1, max_value=10, help_text="The factor between a delay and the next, from 1 to 10."
    )
    max_seconds = serializers.FloatField(
        required=False, min_value=0, max_value=LONGEST_SECONDS, help_text="The maximum of all delays."
    )
    delays_seconds = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=LONGEST_SECONDS),
        required=False,
        max_length=MOST_ATTEMPTS - 1,
        help_text="The delay before each further attempt, instead of the four fields above.",
    )
    retry_other_4xx = serializers.BooleanField(
        default=False, help_text="Also retry all other 4xx responses except 410, as Standard Webhooks recommends."
    )
    attempts = serializers.IntegerField(read_only=True)
    longest_delays_seconds = serializers.ListField(child=serializers.FloatField(), read_only=True)
    horizon_seconds = serializers.FloatField(
        read_only=True, help_text="The longest time from the first to the last attempt."
    )
    in_words = serializers.CharField(read_only=True)

    def to_internal_value(self, data: Any) -> Any:
        """Return the policy as it is stored."""
        if not isinstance(data, dict):
            raise serializers.ValidationError({NON_FIELD: ['Enter an object such as {"preset": "standard"}.']})
        refuse_wrong_types(self.fields, data)
        computed = {name for name, field in self.fields.items() if field.read_only}
        try:
            policy = RetryPolicy.model_validate({name: value for name, value in data.items() if name not in computed})
        except ValidationError as error:
            raise serializers.ValidationError(named_errors(error, default="preset")) from None
        return policy.model_dump(exclude_none=True)

    def to_representation(self, instance: Any) -> Any:
        return policies.shown(RetryPolicy.model_validate(instance or {}))


class PresetSerializer(RetryPolicySerializer):
    description = serializers.CharField(read_only=True)

    def to_representation(self, instance: Any) -> Any:
        return instance


class AuthSerializer(BodySerializer):
    """The authentication at the receiver. Secret parts are write-only."""

    closed = True

    type = serializers.ChoiceField(choices=AUTH_TYPES)
    token = serializers.CharField(required=False, write_only=True, help_text="For `bearer`: the token.")
    username = serializers.CharField(required=False, help_text="For `basic`: the username.")
    password = serializers.CharField(required=False, write_only=True, help_text="For `basic`: the password.")
    name = serializers.CharField(
        required=False, help_text="For `header` and `query`: the name of the header or parameter."
    )
    value = serializers.CharField(required=False, write_only=True, help_text="For `header` and `query`: the API key.")
    header = serializers.CharField(
        required=False, help_text="For `hmac`: the name of the header. Default: X-Signature."
    )
    secret = serializers.CharField(required=False, write_only=True, help_text="For `hmac`: the key.")
    algorithm = serializers.ChoiceField(
        choices=["sha256", "sha512"], required=False, help_text="For `hmac`. Default: sha256."
    )
    prefix = serializers.CharField(
        required=False, help_text="For `hmac`: the text before the digest, such as `sha256=`."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Return the given parts. For an existing endpoint the rest is filled in and validated when it is saved."""
        if not isinstance(data, dict):
            raise serializers.ValidationError({NON_FIELD: ['Enter an object such as {"type": "none"}.']})
        refuse_wrong_types(self.fields, data)
        type_ = data.get("type")
        if not isinstance(type_, str) or type_ not in dict(AUTH_TYPES):
            raise serializers.ValidationError({"type": [f"Choose one of {', '.join(dict(AUTH_TYPES))}."]})
        values = {name: value for name, value in data.items() if value is not None}
        if self.root.instance is None:
            checked_auth(lambda: merged_auth(NoAuth(), values))
        return values | {"type": type_}


def checked_auth(check: Callable[[], Any]) -> Any:
    """Return what `check` returns. Raises serializers.ValidationError for pydantic's errors."""
    try:
        return check()
    except ValidationError as error:
        raise serializers.ValidationError(named_errors(error, skip=1, default="type", values=False)) from None
