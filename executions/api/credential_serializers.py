"""Serializers of `/api/credentials/`. Secrets are write-only."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from executions import credentials
from executions.credentials.usage import uses_of
from executions.models import Credential
from executions.models.credential import TYPE_CHOICES
from workflow_platform.core.api.inputs import BodySerializer
from workflow_platform.core.secrets.encryption import CannotDecrypt

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[?[0-9a-f:]+\]?")


class CredentialSerializer(serializers.ModelSerializer[Credential]):
    """A credential as editors see it, without the values of its fields."""

    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = Credential
        fields = [
            "id", "workspace", "name", "type", "description", "allowed_hosts", "fields_set", "created_by",
            "created_at", "updated_at", "last_used_at",
        ]  # fmt: skip


class CredentialDetailSerializer(CredentialSerializer):
    data = serializers.SerializerMethodField(  # type: ignore[assignment]  # a field, not the property
        help_text="The fields that are not secret. Null unless the caller is an admin."
    )
    used_by = serializers.SerializerMethodField(help_text="The workflows that use this credential; at most 100.")

    class Meta(CredentialSerializer.Meta):
        fields = [*CredentialSerializer.Meta.fields, "data", "used_by"]

    def get_data(self, row: Credential) -> dict[str, Any] | None:
        """Return the fields that are not secret; None to editors, and if no key decrypts the credential."""
        if not self.context.get("admin"):
            return None
        try:
            return credentials.shown_fields(row)
        except CannotDecrypt:
            return None

    def get_used_by(self, row: Credential) -> list[dict[str, str]]:
        """Return id and name of each workflow."""
        return [{"id": str(use.workflow_id), "name": use.workflow} for use in uses_of([row])[row.pk][:100]]


class CredentialChangeSerializer(BodySerializer):
    """A change of a credential. Fields that `data` leaves out, and secrets that it sends empty, keep their values."""

    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    allowed_hosts = serializers.ListField(child=serializers.CharField(max_length=253), max_length=50, required=False)
    data = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="The fields of the credential's type; see /api/credential-types/."
    )

    def validate_allowed_hosts(self, value: list[str]) -> list[str]:
        """Return the host names in lower case, without duplicates."""
        hosts = list(dict.fromkeys(host.strip().lower() for host in value))
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise serializers.ValidationError(
                    f"{host!r} is not a host name. Use a name, an address or a wildcard such as *.example.com.",
                    code="invalid",
                )
        return [host.strip("[]") for host in hosts]


class CredentialCreateSerializer(CredentialChangeSerializer):
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")
    name = serializers.CharField(max_length=100)
    type = serializers.ChoiceField(choices=TYPE_CHOICES)
    data = serializers.DictField(help_text="The fields of the credential's type; see /api/credential-types/.")


class CredentialTestSerializer(BodySerializer):
    url = serializers.CharField(max_length=8000, required=False, default="", allow_blank=True)


class CredentialTestResultSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    status = serializers.IntegerField(allow_null=True)
    detail = serializers.CharField()
