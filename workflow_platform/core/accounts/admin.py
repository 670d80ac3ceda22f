from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordChangeView
from django.db.models import CASCADE, ForeignObjectRel, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse_lazy

from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.admin_lists import LargeList, WorkspaceFilter
from workflow_platform.core.accounts.forms import AdminLoginForm, OwnPasswordForm, UserPasswordForm
from workflow_platform.core.accounts.models import ApiToken, AuditEntry, AuditKind, Membership, User, Workspace
from workflow_platform.core.accounts.sessions import end_tokens


@admin.register(User)
class AccountAdmin(LargeList, UserAdmin):  # type: ignore[type-arg]  # not generic when it runs
    """Django's admin of users. A change of password offers to end API tokens; a deactivated user's JWTs end."""

    change_password_form = UserPasswordForm
    ordering = ("username",)  # it has an index
    list_filter = ("is_staff", "is_superuser", "is_active")  # not by group: the filter would list all of them
    exact_fields = ("username",)
    text_fields = ("username", "email", "first_name", "last_name")
    change_user_password_template = "admin/accounts/user/change_password.html"  # noqa: S105 - a template

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        """Save the user. Deactivation ends the JWTs, so that they stay invalid when the user is activated again."""
        super().save_model(request, obj, form, change)
        if change and not obj.is_active:
            end_tokens(obj, api_tokens=False)


admin.site.unregister(Group)


@admin.register(Group)
class PermissionGroupAdmin(LargeList, GroupAdmin):
    """Django's admin of groups."""

    exact_fields = ("name",)


class OwnPasswordView(PasswordChangeView):
    """The password change of the admin site, with the limits on attempts."""

    form_class = OwnPasswordForm
    template_name = "admin/password_change.html"
    success_url = reverse_lazy("admin:password_change_done")

    def get_form_kwargs(self) -> dict[str, Any]:
        """Add the request, by which attempts are counted."""
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the context of every admin page."""
        return super().get_context_data(**kwargs) | admin.site.each_context(self.request)


def change_own_password(request: HttpRequest) -> HttpResponseBase:
    """Replace the view of the admin site, whose form cannot be configured."""
    return admin.site.admin_view(OwnPasswordView.as_view())(request)


class MembershipInline(admin.TabularInline[Membership, Workspace]):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


admin.site.login_form = AdminLoginForm


@admin.register(Workspace)
class WorkspaceAdmin(LargeList, admin.ModelAdmin[Workspace]):
    list_display = ["name", "slug", "created_at", "deletion_requested_at"]
    exact_fields = ["slug"]
    text_fields = ["name", "slug"]
    inlines = [MembershipInline]

    def get_deleted_objects(
        self, objs: QuerySet[Workspace] | Sequence[Workspace], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say how much is deleted with the workspaces. A user who may delete one may delete all that it owns, also its
        history, which can otherwise be viewed and not changed."""
        owned = {
            str(relation.related_model._meta.verbose_name_plural): relation.related_model._base_manager.filter(
                **{f"{relation.field.name}__in": [workspace.pk for workspace in objs]}
            ).count()
            for relation in Workspace._meta.get_fields(include_hidden=True)
            if isinstance(relation, ForeignObjectRel) and relation.on_delete is CASCADE
        }
        needed = set() if self.has_delete_permission(request) else {"workspace"}
        return [str(workspace) for workspace in objs], {k: n for k, n in owned.items() if n}, needed, []


@admin.register(Membership)
class MembershipAdmin(LargeList, admin.ModelAdmin[Membership]):
    audited = False  # as changes of members
    list_display = ["workspace", "user", "role", "created_at"]
    list_filter = ["role", WorkspaceFilter]
    id_fields = ["workspace"]
    exact_fields = ["user__username"]
    indexed_filters = ["workspace"]
    search_help_text = "A user name, or the id of a workspace."
    list_select_related = ["workspace", "user"]
    autocomplete_fields = ["user", "workspace"]

    def save_model(self, request: HttpRequest, obj: Membership, form: ModelForm[Membership], change: bool) -> None:
        """Save the membership, and record it."""
        super().save_model(request, obj, form, change)
        kind = AuditKind.MEMBER_ROLE_CHANGED if change else AuditKind.MEMBER_ADDED
        data = {"from": form.initial["role"], "to": obj.role} if change else {"role": obj.role}
        audit.member_changed(kind, obj, cast(User, request.user), **data)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Record the memberships that end, before they do."""
        for row in queryset:
            audit.member_changed(AuditKind.MEMBER_REMOVED, row, cast(User, request.user), role=row.role)
        return super().log_deletions(request, queryset)


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeList, admin.ModelAdmin[AuditEntry]):
    """What the admins of workspaces see, also of deleted workspaces. Entries cannot be changed."""

    list_display = ["at", "kind", "subject", "actor_name", "workspace_id"]
    list_filter = ["kind"]
    id_fields = ["pk", "workspace_id"]
    search_help_text = "The id of a workspace."
    ordering = ["-pk"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(LargeList, admin.ModelAdmin[ApiToken]):
    """Tokens can be issued (and are shown once), listed and revoked, but not changed."""

    audited = False  # as changes of tokens
    list_display = ["name", "hint", "user", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), ("expires_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    ordering = ["user_id", "-pk"]  # the ids of tokens are random
    exact_fields = ["user__username"]
    text_fields = ["name", "hint"]
    search_help_text = "A user name, or a part of a token's name or hint."
    autocomplete_fields = ["user"]
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[Any]:
        """Show the fields of a new token when it is issued, and all fields later."""
        chosen: list[Any] = ["user", "name", "expires_at"]
        return [*chosen, "hint", "digest", "created_at", "last_used_at", "revoked_at"] if obj else chosen

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[Any]:
        """Make all fields of an issued token read-only."""
        return self.get_fields(request, obj) if obj else []

    def save_model(self, request: HttpRequest, obj: ApiToken, form: ModelForm[ApiToken], change: bool) -> None:
        """Issue the token and show it in a message, once."""
        if change:
            return
        row, raw = ApiToken.issue(obj.user, obj.name, obj.expires_at)
        audit.token_changed(AuditKind.TOKEN_CREATED, row, cast(User, request.user))
        # The admin site uses this object afterwards, to log the addition and to link to it.
        obj.__dict__.update(row.__dict__)
        self.message_user(request, f"The token, shown only now: {raw}", messages.WARNING)

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the tokens from the next request on."""
        tokens = list(queryset.filter(revoked_at=None))
        for token in tokens:
            token.revoke()
            audit.token_changed(AuditKind.TOKEN_REVOKED, token, cast(User, request.user))
        self.message_user(request, f"{len(tokens)} revoked.")
