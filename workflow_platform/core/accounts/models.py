"""Users, workspaces, memberships and invitations with roles, and tokens, which are stored as hashes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from workflow_platform.core.accounts.choices import AuditKind as AuditKind
from workflow_platform.core.accounts.choices import Role as Role
from workflow_platform.core.accounts.choices import Theme as Theme
from workflow_platform.core.accounts.choices import TokenScope as TokenScope
from workflow_platform.core.accounts.choices import all_scopes
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.translations.languages import language_choices

TOKEN_PREFIX = "wfp_"  # noqa: S105 - distinguishes a token from a JWT, not a secret


class User(AbstractUser):
    """A person. Sees only the workspaces that they are a member of, superuser or not (the admin site apart)."""

    token_scope: TokenScope | None = None
    """The scope of the API token by which the user came; None for a session or a JWT, which may do everything."""

    default_workspace = models.ForeignKey(
        "Workspace",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The workspace that pages choose first. Set with the first membership, later only by the user.",
    )
    theme = models.CharField(max_length=6, choices=Theme.choices, default=Theme.SYSTEM)
    time_zone = models.CharField(
        max_length=64, blank=True, help_text="The IANA name of the zone of times on pages; empty: the browser's."
    )
    language = models.CharField(
        max_length=10,
        choices=language_choices,
        blank=True,
        help_text="The language of pages and e-mails; empty: the browser's, and English in e-mails.",
    )
    sessions_ended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Sessions and JWTs from before this time are refused."
    )

    def get_session_auth_hash(self) -> str:
        """Return the value that a valid session or JWT contains. It changes with the password and when the user ends
        all sessions."""
        return self._since_sessions_ended(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Yield the same for each key of SECRET_KEY_FALLBACKS."""
        for fallback in super().get_session_auth_fallback_hash():
            yield self._since_sessions_ended(fallback)

    def _since_sessions_ended(self, password_hash: str) -> str:
        if self.sessions_ended_at is None:
            return password_hash  # Django's own value, so that an upgrade ends no session
        return hashlib.sha256(f"{password_hash} {self.sessions_ended_at.timestamp()}".encode()).hexdigest()


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the workspaces in which `user` has at least `role`; none for an anonymous caller."""
        user_id = getattr(user, "pk", None)
        if user_id is None or not getattr(user, "is_active", False):
            return self.none()
        scope: TokenScope | None = getattr(user, "token_scope", None)
        if scope is not None and role not in scope.roles:
            return self.none()
        return self.filter(
            memberships__user_id=user_id, memberships__role__in=role.and_above, deletion_requested_at__isnull=True
        )


class Workspace(models.Model):
    """Owns workflows, executions, credentials and endpoints, which other workspaces cannot see."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    max_concurrent = models.PositiveIntegerField(
        null=True, blank=True, help_text="Executions at a time; empty: WORKSPACE_MAX_CONCURRENT_EXECUTIONS."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deletion_requested_at = models.DateTimeField(
        null=True, editable=False, help_text="Since then nobody sees it, and a job removes what it owns."
    )
    removal_queued_at = models.DateTimeField(null=True, editable=False)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


M = TypeVar("M", bound=models.Model)


class WorkspaceScopedQuerySet(models.QuerySet[M]):
    """Base of every queryset behind an API, page or socket. `workspace_path` is the path of fields to the workspace."""

    workspace_path = "workspace"

    def visible_to(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the rows of the workspaces in which `user` has at least `role`."""
        visible = Workspace.objects.visible_to(user, role).order_by().values("pk")
        return self.filter(**{f"{self.workspace_path}__in": visible})


class Membership(models.Model):
    """A user's role in a workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["workspace", "user"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_per_user_and_workspace"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.workspace}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the membership. The first one of a user sets their default workspace."""
        first = self._state.adding and not Membership.objects.filter(user_id=self.user_id).exists()
        super().save(*args, **kwargs)
        if first:
            User.objects.filter(pk=self.user_id, default_workspace=None).update(default_workspace=self.workspace_id)


class Invitation(models.Model):
    """An offer of a role in a workspace, to one email address or username. Whether either exists is not looked up until
    somebody accepts. Only a SHA-256 of the token is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    email = models.EmailField(blank=True)
    username = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    renewed_at = models.DateTimeField(null=True, blank=True, help_text="When the invitation got its present link.")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["workspace", "created_at"], name="invitation_by_workspace")]
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role_is_known"),
            models.CheckConstraint(
                condition=models.Q(email="", username__gt="") | models.Q(email__gt="", username=""),
                name="invitation_has_one_addressee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.username} as {self.role} of {self.workspace}"

    def is_for(self, user: User) -> bool:
        """Return whether the invitation is addressed to this user. Email addresses ignore upper and lower case."""
        if self.username:
            return self.username == user.username
        return bool(user.email) and self.email.casefold() == user.email.casefold()


class ApiToken(models.Model):
    """A long-lived bearer token. It acts as its user; only a SHA-256 of it is stored (the token has 256 random
    bits)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    scopes = ArrayField(
        models.CharField(max_length=5, choices=TokenScope.choices),
        size=len(TokenScope),
        default=all_scopes,
        help_text="Each scope includes the ones before it: read, run, edit, admin.",
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        max_length=12, editable=False, help_text="The token's first characters, to tell tokens apart."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scopes__len__gt=0, scopes__contained_by=TokenScope.values),
                name="api_token_scopes_are_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @classmethod
    def issue(
        cls, user: User, name: str, expires_at: datetime | None = None, scopes: Iterable[str] | None = None
    ) -> tuple[ApiToken, str]:
        """Create a token; without `scopes` with all of them. Returns the row and the token itself, which cannot be
        shown again."""
        raw = TOKEN_PREFIX + secrets.token_urlsafe(32)
        chosen = set(all_scopes() if scopes is None else scopes)
        row = cls.objects.create(
            user=user,
            name=name,
            scopes=[scope for scope in TokenScope.values if scope in chosen],
            digest=cls.digest_of(raw),
            hint=raw[:10],
            expires_at=expires_at,
        )
        return row, raw

    @property
    def scope(self) -> TokenScope:
        """Return the highest scope, which includes the others."""
        return max((TokenScope(scope) for scope in self.scopes), key=list(TokenScope).index)

    def revoke(self) -> None:
        """Revoke the token. It is saved with `save`, so that open connections are checked."""
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])

    @staticmethod
    def digest_of(raw: str) -> str:
        """Return the digest under which `raw` is stored."""
        return hashlib.sha256(raw.encode()).hexdigest()

    @property
    def usable(self) -> bool:
        """Return whether the token is valid."""
        now = timezone.now()
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now) and self.user.is_active


class TokenFamily(models.Model):
    """The JWTs of one login: one refresh token at a time, and the access tokens made with it."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    current = models.CharField(max_length=32, help_text="The `jti` of the one refresh token that may be used.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    used_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user}, logged in at {self.created_at:%Y-%m-%d %H:%M}"

    def end(self) -> None:
        """End the family: its tokens become invalid. It is saved with `save`, so that open connections are checked
        again."""
        if self.ended_at is None:
            self.ended_at = timezone.now()
            self.save(update_fields=["ended_at"])


class BrowserSession(models.Model):
    """Where a session of the pages is used: shown to its user, who can end it. It goes with Django's session."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="browser_session")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="browser_sessions")
    device = models.CharField(max_length=100, help_text="Browser and system, from the User-Agent header.")
    network = models.CharField(max_length=50, help_text="The network of the address: 192.0.2.0/24.")
    began_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.user}: {self.device}"


class LoginCounter(models.Model):
    """Attempts to log in under one key (account, address or device) since `began_at`; see `login_limit`."""

    key = models.CharField(max_length=64, primary_key=True)
    attempts = models.PositiveIntegerField()
    began_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.attempts} since {self.began_at}"


class IdempotentRequest(models.Model):
    """A request that created an object under an `Idempotency-Key`. A repeated request gets the same object."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    path = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="HMAC-SHA-256 of the body.")
    object_id = models.CharField(max_length=64, help_text="What was created.")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "path", "key"], name="one_object_per_idempotency_key"),
        ]

    def __str__(self) -> str:
        return f"{self.path} {self.key}"


class AuditEntry(models.Model):
    """A change of a workspace, or of the account of one of its members. It is never changed.

    Names are kept as they were; the entry outlives its workspace and users. It holds no secret.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace_id = models.UUIDField(editable=False)
    kind = models.CharField(max_length=30, choices=AuditKind.choices, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    actor_name = models.CharField(max_length=150, blank=True, editable=False, help_text="Empty: the platform.")
    subject = models.CharField(max_length=254, editable=False, help_text="The member, addressee or workspace.")
    data: Any = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["workspace_id", "-id"], name="audit_by_workspace")]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=AuditKind.values), name="audit_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
