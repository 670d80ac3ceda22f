"""Serializers of users, workspaces, members and tokens."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.text import slugify
from rest_framework import serializers

from workflow_platform.core.accounts.models import ApiToken, Membership, Role, TokenScope, User, Workspace
from workflow_platform.core.api.inputs import BodySerializer, StrictBody


class CredentialsSerializer(BodySerializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, style={"input_type": "password"})


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Valid for half an hour.")
    refresh = serializers.CharField(help_text="Valid once: each use returns the next pair.")


class RefreshSerializer(BodySerializer):
    refresh = serializers.CharField(max_length=4096)


class MyWorkspaceSerializer(serializers.ModelSerializer[Membership]):
    id = serializers.UUIDField(source="workspace_id")
    name = serializers.CharField(source="workspace.name")
    slug = serializers.CharField(source="workspace.slug")

    class Meta:
        model = Membership
        fields = ["id", "name", "slug", "role"]


class MeSerializer(serializers.ModelSerializer[User]):
    workspaces = MyWorkspaceSerializer(source="memberships", many=True)

    class Meta:
        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "is_staff", "workspaces"]


class WorkspaceSerializer(StrictBody, serializers.ModelSerializer[Workspace]):
    role = serializers.ChoiceField(choices=Role.choices, read_only=True, help_text="The caller's role.")

    class Meta:
        model = Workspace
        fields = ["id", "name", "slug", "role", "created_at"]
        read_only_fields = ["id", "slug", "created_at"]

    def create(self, validated_data: dict[str, Any]) -> Workspace:
        """Create the workspace with a slug of its name; a random suffix makes the slug unique."""
        stem = slugify(validated_data["name"])[:60] or "workspace"
        return Workspace.objects.create(slug=f"{stem}-{uuid.uuid4().hex[:8]}", **validated_data)


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Membership
        fields = ["id", "username", "role", "created_at"]
        read_only_fields = fields


class RoleSerializer(BodySerializer):
    role = serializers.ChoiceField(choices=Role.choices)


class OwnedSerializer(serializers.Serializer[Any]):
    what = serializers.CharField(help_text="For example `workflows`.")
    count = serializers.IntegerField()
    more = serializers.BooleanField(help_text="There are more; counting has stopped.")


class DeletionPreviewSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    contents = OwnedSerializer(many=True)


class DeletionSerializer(BodySerializer):
    name = serializers.CharField(max_length=200, help_text="The name of the workspace, to confirm.")


class HandOverSerializer(BodySerializer):
    member = serializers.IntegerField(min_value=1, max_value=2**53 - 1, help_text="The id of another member.")


class ApiTokenSerializer(StrictBody, serializers.ModelSerializer[ApiToken]):
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=TokenScope.choices),
        required=False,
        min_length=1,
        max_length=len(TokenScope),
        help_text="What the token may be used for. Each scope includes the ones before it: read, run, edit, admin. "
        "Default: all of them.",
    )

    class Meta:
        model = ApiToken
        fields = ["id", "name", "scopes", "hint", "created_at", "last_used_at", "expires_at", "revoked_at"]
        read_only_fields = ["id", "hint", "created_at", "last_used_at", "revoked_at"]

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Reject a time in the past."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time has already passed.", code="past")
        return value


class IssuedTokenSerializer(ApiTokenSerializer):
    token = serializers.CharField(allow_null=True, help_text="The token. It is shown only in this response.")

    class Meta(ApiTokenSerializer.Meta):
        fields = [*ApiTokenSerializer.Meta.fields, "token"]
