"""Insights: what holds a workspace back, with the figures, and the change that would help. Only `executions.insights`
changes their status."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from executions.models.workflow import Workflow
from workflow_platform.core.accounts.models import Role, TokenScope, User, Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class InsightKind(models.TextChoices):
    """What was found. The labels are English; pages translate them."""

    SLOW_NODE = "slow_node", _("Slow node")
    CACHE_NODE = "cache_node", _("Node could use the cache")
    LIMIT_TOO_LOW = "limit_too_low", _("Limit is too low")
    QUEUE_STARVED = "queue_starved", _("Executions wait for workers")
    ENDPOINT_FAILING = "endpoint_failing", _("Endpoint is failing")
    RETRY_NEVER_HELPS = "retry_never_helps", _("Retries never succeed")
    BATCH_REQUESTS = "batch_requests", _("Many requests in a run")
    PARALLEL_BRANCHES = "parallel_branches", _("Nodes could run side by side")
    LANE_FULL = "lane_full", _("Deliveries wait for their endpoint")
    DATABASE_SLOW = "database_slow", _("Database is slow")
    REDIS_SLOW = "redis_slow", _("Redis is slow")
    UNUSED_DATA = "unused_data", _("Nobody reads this data")


class InsightStatus(models.TextChoices):
    """Open until it is applied, dismissed or no longer true; after it was applied, whether it helped."""

    OPEN = "open", _("Current")
    APPLIED = "applied", _("Applied")
    CONFIRMED = "confirmed", _("Confirmed")
    REFUTED = "refuted", _("Refuted")
    DISMISSED = "dismissed", _("Dismissed")
    CLEARED = "cleared", _("No longer true")


HELD = [InsightStatus.OPEN, InsightStatus.APPLIED]


class InsightQuerySet(WorkspaceScopedQuerySet["Insight"]):
    def visible_to(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the insights of the workspaces in which `user` has at least `role`; to staff also those of the
        installation, unless the API token of the request does not include the role."""
        visible = Workspace.objects.visible_to(user, role).order_by().values("pk")
        seen = models.Q(workspace__in=visible)
        scope: TokenScope | None = getattr(user, "token_scope", None)
        if is_staff(user) and (scope is None or role in scope.roles):
            seen |= models.Q(workspace__isnull=True)
        return self.filter(seen)


def is_staff(user: User | object) -> bool:
    """Return whether `user` operates the installation."""
    return bool(getattr(user, "is_active", False) and getattr(user, "is_staff", False))


class Insight(models.Model):
    """A bottleneck or an advice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        on_delete=models.CASCADE,
        related_name="insights",
        db_index=False,
        help_text="Null: of the installation, which only staff see.",
    )
    workflow = models.ForeignKey(Workflow, null=True, on_delete=models.CASCADE, related_name="insights")
    kind = models.CharField(max_length=20, choices=InsightKind.choices)
    key = models.CharField(max_length=300, help_text="Equal for the same finding about the same subject.")
    status = models.CharField(max_length=9, choices=InsightStatus.choices, default=InsightStatus.OPEN)
    subject = models.JSONField(
        help_text='What it is about: {"name", "node", "label", "endpoint"}, as far as it applies.'
    )
    evidence = models.JSONField(
        help_text="The figures it rests on, with `n`, the number of observations, and `span_s`."
    )
    figure = models.JSONField(help_text='The figure that matters: {"value", "unit", "text"}.')
    action = models.JSONField(
        null=True, help_text='The change: {"type", "node", "before", "changes"}; null: no safe one.'
    )
    misses = models.PositiveSmallIntegerField(default=0, help_text="Looks in a row that no longer found it.")
    raised_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="When it was last found.")
    changed_at = models.DateTimeField(default=timezone.now, help_text="When the status last changed.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who applied or dismissed it.",
    )
    automatic_at = models.DateTimeField(null=True, help_text="When the platform applied it by itself.")
    version_before = models.PositiveIntegerField(null=True, help_text="The workflow version that it was applied to.")
    version_applied = models.PositiveIntegerField(null=True, help_text="The workflow version with the change.")
    outcome = models.JSONField(null=True, help_text="The measure before and after the change, with `n` of both.")
    history = models.JSONField(default=list, help_text='Each change of the status: {"status", "at", "by"}.')

    objects = InsightQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["workspace", "-id"], name="insight_listed")]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"], name="one_insight_per_key", condition=models.Q(status__in=HELD)
            ),
            models.UniqueConstraint(
                fields=["key"],
                name="one_insight_per_key_of_installation",
                condition=models.Q(status__in=HELD, workspace__isnull=True),
            ),
            models.CheckConstraint(condition=models.Q(kind__in=InsightKind.values), name="insight_kind_is_known"),
            models.CheckConstraint(condition=models.Q(status__in=InsightStatus.values), name="insight_status_is_known"),
        ]

    def __str__(self) -> str:
        return self.key


class InsightLook(models.Model):
    """When workflows were last examined. One row; its lock makes one scheduler look at a time."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    looked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.looked_at)


class PlatformSample(models.Model):
    """What the installation had measured of its database and Redis at a look: the next ones tell what is usual."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    cumulative: Any = models.JSONField(help_text="Histograms of all processes: {name: [sum, counts of the bins]}.")
    connections = models.PositiveIntegerField(help_text="Connections to the database server in use.")
    most_connections = models.PositiveIntegerField(help_text="That the server allows to the platform.")

    def __str__(self) -> str:
        return str(self.at)


class InsightAutomation(models.Model):
    """The kinds of advice that the platform applies by itself in a workspace. Without a row: none."""

    workspace = models.OneToOneField(
        Workspace, primary_key=True, on_delete=models.CASCADE, related_name="insight_automation"
    )
    kinds: Any = models.JSONField(default=list, help_text="Kinds of `executions.insights.automatic.KINDS`.")

    class Meta:
        verbose_name = "setting of automatic advice"
        verbose_name_plural = "settings of automatic advice"

    def __str__(self) -> str:
        return ", ".join(self.kinds)
