"""Serializers of the caller's account."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django.contrib.auth import HASH_SESSION_KEY
from django.utils import timezone
from rest_framework import serializers

from workflow_platform.core.accounts.models import BrowserSession, Theme, TokenFamily, User, Workspace
from workflow_platform.core.accounts.serializers import MyWorkspaceSerializer
from workflow_platform.core.api.inputs import BodySerializer
from workflow_platform.core.translations.languages import language_choices

MOST_SESSIONS = 100
"""Sessions of each kind that are listed."""


class AccountSerializer(serializers.ModelSerializer[User]):
    workspaces = MyWorkspaceSerializer(source="memberships", many=True)
    default_workspace = serializers.UUIDField(
        source="default_workspace_id", allow_null=True, help_text="The workspace that pages choose first."
    )

    class Meta:
        model = User
        fields = [
            "id", "username", "email", "first_name", "last_name", "is_staff", "theme", "time_zone", "language",
            "default_workspace", "workspaces", "date_joined", "last_login",
        ]  # fmt: skip
        read_only_fields = fields


class AccountChangeSerializer(BodySerializer):
    first_name = serializers.CharField(required=False, allow_blank=True, max_length=150)
    last_name = serializers.CharField(required=False, allow_blank=True, max_length=150)
    email = serializers.EmailField(
        required=False, allow_blank=True, max_length=254, help_text="A change needs `current_password`."
    )
    current_password = serializers.CharField(
        required=False, max_length=1024, trim_whitespace=False, style={"input_type": "password"}
    )
    theme = serializers.ChoiceField(required=False, choices=Theme.choices)
    time_zone = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="An IANA name; empty: the browser's zone."
    )
    language = serializers.ChoiceField(
        required=False,
        allow_blank=True,
        choices=language_choices(),
        help_text="The language of pages and e-mails; empty: the browser's, and English in e-mails.",
    )
    default_workspace = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="A workspace that you are a member of. Pages list its objects, and create there; null: all of them.",
    )

    def validate_time_zone(self, value: str) -> str:
        """Reject what is no IANA name of a time zone."""
        if value and value not in available_timezones():
            message = f"{value!r} is not the IANA name of a time zone, such as Europe/Berlin."
            raise serializers.ValidationError(message, code="time_zone")
        return value

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


class SessionSerializer(serializers.Serializer[Any]):
    """A login that is in use: a browser's session, or a program's that has JWTs."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=[("browser", "Browser"), ("api", "API login")])
    device = serializers.CharField(help_text="Browser and system; empty for an API login.")
    network = serializers.CharField(help_text="The network of the address, roughly: 192.0.2.0/24.")
    began_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    current = serializers.BooleanField(help_text="Whether this request belongs to it.")


def shown_sessions(user: User, current_key: str | None) -> list[dict[str, Any]]:
    """Return the user's logins that are valid, the current one first, then the latest."""
    now = timezone.now()
    stored = BrowserSession.objects.filter(user=user, session__expire_date__gt=now).select_related("session")
    proof = user.get_session_auth_hash()  # a session from before a change of password is not valid any more
    browsers = [
        row
        for row in stored.order_by("-seen_at")[:MOST_SESSIONS]
        if row.session.get_decoded().get(HASH_SESSION_KEY) == proof
    ]
    families = TokenFamily.objects.filter(user=user, ended_at=None, expires_at__gt=now).order_by("-used_at")
    rows = [
        {
            "id": row.pk,
            "kind": "browser",
            "device": row.device,
            "network": row.network,
            "began_at": row.began_at,
            "seen_at": row.seen_at,
            "current": row.session_id == current_key,
        }
        for row in browsers
    ] + [
        {
            "id": row.pk,
            "kind": "api",
            "device": "",
            "network": "",
            "began_at": row.created_at,
            "seen_at": row.used_at,
            "current": False,
        }
        for row in families[:MOST_SESSIONS]
    ]
    return sorted(rows, key=lambda row: (row["current"], row["seen_at"]), reverse=True)
