"""`/api/account/notifications/`: what the caller wants to be notified of, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.models import EmailChoice, MutedWorkflow, NotificationKind, Workflow, WorkflowScope
from executions.notifications import preferences
from workflow_platform.core.accounts import invitation_emails
from workflow_platform.core.accounts.models import Membership, User
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.api.inputs import BodySerializer
from workflow_platform.core.api.problems import Problem

MOST_AT_ONCE = 100


class EmailsByKindSerializer(BodySerializer):
    """When notifications of single kinds are sent by email."""

    closed = True

    def get_fields(self) -> dict[str, Any]:
        """Return a field for each kind."""
        return {
            kind: serializers.ChoiceField(choices=EmailChoice.choices, required=False, allow_null=True)
            for kind in NotificationKind.values
        }


class ChoicesSerializer(serializers.Serializer[Any]):
    in_page = serializers.BooleanField(help_text="Whether notifications are listed on the pages.")
    email = serializers.ChoiceField(
        choices=EmailChoice.choices, help_text="daily: at 08:00 in your time zone. What you have read is left out."
    )
    emails = EmailsByKindSerializer(help_text="Kinds with another choice than `email`.")
    workflows = serializers.ChoiceField(
        choices=WorkflowScope.choices,
        help_text="Of which workflows failures and recoveries are notified. You own the workflows that you created; "
        "admins also get those whose owner has left.",
    )


class WorkspaceChoicesSerializer(ChoicesSerializer):
    workspace = serializers.UUIDField()
    name = serializers.CharField()
    inherited = serializers.BooleanField(help_text="Whether the choices for all workspaces apply.")


class MutedWorkflowSerializer(serializers.ModelSerializer[MutedWorkflow]):
    name = serializers.CharField(source="workflow.name")
    workspace = serializers.UUIDField(source="workflow.workspace_id")

    class Meta:
        model = MutedWorkflow
        fields = ["workflow", "name", "workspace", "created_at"]
        read_only_fields = fields


class NotificationPreferencesSerializer(ChoicesSerializer):
    email_problem = serializers.ChoiceField(
        choices=[("", "None"), ("no_address", "Your account has no email address"),
                 ("not_configured", "The platform sends no email")],
        help_text="Why no email arrives; empty if it does.",
    )  # fmt: skip
    workspaces = WorkspaceChoicesSerializer(many=True)
    muted = MutedWorkflowSerializer(many=True)


class _ChangeSerializer(BodySerializer):
    closed = True

    in_page = serializers.BooleanField(required=False)
    email = serializers.ChoiceField(choices=EmailChoice.choices, required=False)
    emails = EmailsByKindSerializer(
        required=False, help_text="Only the kinds that are given change; null: as `email` says."
    )
    workflows = serializers.ChoiceField(choices=WorkflowScope.choices, required=False)


class WorkspaceChangeSerializer(_ChangeSerializer):
    workspace = serializers.UUIDField(help_text="A workspace that you are a member of.")
    inherit = serializers.BooleanField(
        default=False, help_text="true: the choices for all workspaces apply again. Excludes the other fields."
    )

    def validate(self, body: dict[str, Any]) -> dict[str, Any]:
        """Reject choices beside `inherit`, and a change of nothing."""
        chosen = body.keys() & set(preferences.FIELDS)
        if bool(chosen) == body["inherit"]:
            raise serializers.ValidationError({"inherit": ["Give either choices or `inherit: true`."]})
        return body


class NotificationChangeSerializer(_ChangeSerializer):
    workspaces = WorkspaceChangeSerializer(many=True, required=False)
    mute = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=MOST_AT_ONCE, help_text="Workflows to mute."
    )
    unmute = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_AT_ONCE)

    def validate_workspaces(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Reject workspaces that the user is not a member of, whether they exist or not."""
        named = {row["workspace"] for row in rows}
        if len(named) != len(rows):
            raise serializers.ValidationError("A workspace is named twice.")
        own = Membership.objects.filter(user=self.context["user"], workspace__in=named)
        if own.count() != len(named):
            raise serializers.ValidationError("You are not a member of a workspace with this id.", code="not_a_member")
        return rows

    def validate_mute(self, ids: list[UUID]) -> list[UUID]:
        """Reject workflows that the user cannot see."""
        visible = Workflow.objects.visible_to(self.context["user"]).filter(pk__in=ids, deleted_at=None)
        if visible.count() != len(set(ids)):
            raise serializers.ValidationError("There is no workflow with this id, or you may not see it.")
        return ids


class NotificationPreferencesView(APIView):
    @extend_schema(tags=["account"], responses=NotificationPreferencesSerializer)
    def get(self, request: Request) -> Response:
        """Show what you are notified of, and how."""
        return _shown(user_of(request))

    @extend_schema(
        tags=["account"], request=NotificationChangeSerializer, responses={200: NotificationPreferencesSerializer}
    )
    def patch(self, request: Request) -> Response:
        """Change the given choices. 409 if too many workflows are muted."""
        user = user_of(request)
        body = NotificationChangeSerializer(data=request.data, context={"user": user})
        body.is_valid(raise_exception=True)
        values = body.validated_data
        general = _chosen(values)
        workspaces = {
            row["workspace"]: None if row["inherit"] else _chosen(row) for row in values.get("workspaces", ())
        }
        preferences.change(user, general, workspaces)
        preferences.unmute(user, values.get("unmute", ()))
        try:
            preferences.mute(user, values.get("mute", ()))
        except preferences.TooManyMuted as error:
            raise Problem(409, str(error)) from None
        return _shown(user)


def _chosen(values: Any) -> dict[str, Any]:
    return {field: values[field] for field in preferences.FIELDS if field in values}


def _shown(user: User) -> Response:
    general = preferences.general_of(user)
    workspaces = [
        {"workspace": member.workspace_id, "name": member.workspace.name, "inherited": own is None}
        | _fields(own or general)
        for member, own in preferences.of_workspaces(user)
    ]
    problem = "" if invitation_emails.is_configured() else "not_configured"
    shown = _fields(general) | {
        "email_problem": problem if user.email else "no_address",
        "workspaces": workspaces,
        "muted": preferences.muted_of(user),
    }
    return Response(NotificationPreferencesSerializer(shown).data)


def _fields(preference: Any, names: Iterable[str] = preferences.FIELDS) -> dict[str, Any]:
    return {name: getattr(preference, name) for name in names}
