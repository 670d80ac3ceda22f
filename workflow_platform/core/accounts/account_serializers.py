"""Serializers of the caller's account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers

from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.accounts.serializers import MyWorkspaceSerializer
from workflow_platform.core.api.inputs import BodySerializer


class AccountSerializer(serializers.ModelSerializer[User]):
    workspaces = MyWorkspaceSerializer(source="memberships", many=True)
    default_workspace = serializers.UUIDField(
        source="default_workspace_id", allow_null=True, help_text="The workspace that pages choose first."
    )

    class Meta:
        model = User
        fields = [
            "id", "username", "email", "first_name", "last_name", "is_staff", "default_workspace", "workspaces",
            "date_joined", "last_login",
        ]  # fmt: skip
        read_only_fields = fields


class AccountChangeSerializer(BodySerializer):
    first_name = serializers.CharField(required=False, allow_blank=True, max_length=150)
    last_name = serializers.CharField(required=False, allow_blank=True, max_length=150)
    default_workspace = serializers.UUIDField(
        required=False, allow_null=True, help_text="A workspace that you are a member of."
    )

    def validate_default_workspace(self, value: UUID | None) -> UUID | None:
        """Reject a workspace that the user is not a member of, whether it exists or not."""
        if value is not None and not Workspace.objects.visible_to(self.context["user"]).filter(pk=value).exists():
            raise serializers.ValidationError("You are not a member of a workspace with this id.", code="not_a_member")
        return value


class PasswordSerializer(BodySerializer):
    current_password = serializers.CharField(max_length=1024, trim_whitespace=False, style={"input_type": "password"})
    new_password = serializers.CharField(max_length=1024, trim_whitespace=False, style={"input_type": "password"})
    end_tokens = serializers.BooleanField(
        default=True,
        help_text="Whether API tokens end too. Default: true, since a person with the old password may have created "
        "a token. Other sessions and all JWTs always end.",
    )


class EndSessionsSerializer(BodySerializer):
    end_tokens = serializers.BooleanField(default=False, help_text="Whether API tokens end too.")


class EndedSerializer(serializers.Serializer[Any]):
    ended_api_tokens = serializers.IntegerField(help_text="How many API tokens ended.")
