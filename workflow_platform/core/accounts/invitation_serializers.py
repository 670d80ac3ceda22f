"""Serializers of invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from workflow_platform.core.accounts.invitation_emails import OUTCOMES
from workflow_platform.core.accounts.invitations import LONGEST_VALID
from workflow_platform.core.accounts.models import Invitation, Membership, Role
from workflow_platform.core.api.inputs import BodySerializer


class InviteSerializer(BodySerializer):
    email = serializers.EmailField(required=False, max_length=254)
    username = serializers.CharField(required=False, max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)
    expires_at = serializers.DateTimeField(required=False, help_text="Default: in seven days. Maximum: in 30 days.")

    def validate_expires_at(self, value: datetime) -> datetime:
        """Reject a time in the past or too far in the future."""
        now = timezone.now()
        if not now < value <= now + LONGEST_VALID:
            raise serializers.ValidationError(f"An invitation expires within {LONGEST_VALID.days} days.", code="range")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one addressee."""
        if len({"email", "username"} & attrs.keys()) != 1:
            raise serializers.ValidationError("Give either email or username.", code="addressee")
        return attrs


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    invited_by = serializers.CharField(source="invited_by.username", read_only=True)
    accepted_by = serializers.CharField(source="accepted_by.username", read_only=True, allow_null=True, default=None)
    state = serializers.SerializerMethodField()

    class Meta:
        model = Invitation
        fields = [
            "id", "email", "username", "role", "state", "invited_by", "created_at", "expires_at", "accepted_at",
            "accepted_by", "revoked_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_state(self, row: Invitation) -> str:
        """Return pending, accepted, revoked or expired."""
        if row.accepted_at is not None:
            return "accepted"
        if row.revoked_at is not None:
            return "revoked"
        return "pending" if row.expires_at > timezone.now() else "expired"


class IssuedInvitationSerializer(InvitationSerializer):
    token = serializers.CharField(allow_null=True, help_text="The token. It is shown only in this response.")
    link = serializers.CharField(allow_null=True, help_text="The link to send to the invited person.")
    email_sent = serializers.ChoiceField(
        choices=OUTCOMES, allow_null=True, help_text="What became of the email with the link."
    )

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "token", "link", "email_sent"]


class OfferSerializer(serializers.ModelSerializer[Invitation]):
    workspace = serializers.CharField(source="workspace.name", help_text="The name of the workspace.")
    invited_by = serializers.CharField(source="invited_by.username")

    class Meta:
        model = Invitation
        fields = ["workspace", "role", "invited_by", "expires_at"]
        read_only_fields = fields


class JoinedSerializer(serializers.ModelSerializer[Membership]):
    workspace = serializers.UUIDField(source="workspace_id")
    name = serializers.CharField(source="workspace.name")

    class Meta:
        model = Membership
        fields = ["workspace", "name", "role"]
        read_only_fields = fields
