"""Waits of node runs for events: a call, a decision, the end of an execution or of a delivery."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from executions.models.execution import Execution
from workflow_platform.core.accounts.models import Role, User, Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.ordered_json import OrderedJSONField


class WaitKind(models.TextChoices):
    WEBHOOK = "webhook", "A call to its URL"
    APPROVAL = "approval", "A decision"
    EXECUTION = "execution", "The end of another execution"
    DELIVERY = "delivery", "The end of a webhook delivery"
    HOLD = "hold", "A person who looks at the node run"


class HoldPlace(models.TextChoices):
    """Where a node run is held."""

    FAILURE = "failure", "When it has failed for good"


class WaitQuerySet(WorkspaceScopedQuerySet["Wait"]):
    workspace_path = "execution__workspace"

    def approvals(self) -> Self:
        """Return the waits for a decision."""
        return self.filter(kind=WaitKind.APPROVAL)

    def holds(self) -> Self:
        """Return the waits for a person who looks at a node run."""
        return self.filter(kind=WaitKind.HOLD)

    def open(self) -> Self:
        """Return the waits that can still be resolved."""
        unexpired = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, resolved_at__isnull=True, execution__ended_at__isnull=True)

    def meant_for(self, user: User) -> Self:
        """Return the approvals that `user` can decide: assigned to them, or to any editor of the workspace."""
        editable = Workspace.objects.visible_to(user, Role.EDITOR).order_by().values("pk")
        return self.visible_to(user).filter(
            models.Q(assignee=user.pk) | models.Q(assignee__isnull=True, execution__workspace__in=editable)
        )


class Wait(models.Model):
    """A wait for an event. It is resolved exactly once, by the first to set `resolved_at` under the row's lock.

    An attempt has at most one wait of its own, and at most one hold at each place. A hold comes after the wait of its
    attempt and takes its place. A resolved wait without an `outcome` expired, or its execution ended first. For a child
    execution that no node run waits for, the row only links the two.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="waits")
    node_id = models.CharField(max_length=100)
    run_index = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=10, choices=WaitKind.choices)
    place = models.CharField(
        max_length=7, choices=HoldPlace.choices, blank=True, default="", db_default="", help_text="Of a hold only."
    )
    message = models.TextField(blank=True, max_length=5000, help_text="The question to decide.")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Empty: any editor."
    )
    child = models.ForeignKey(Execution, null=True, on_delete=models.SET_NULL, related_name="+")
    delivery_id = models.UUIDField(null=True, help_text="The webhook delivery that it waits for.")
    deliveries = models.JSONField(
        null=True, help_text="The ids of all of them, in the order of the items; delivery_id is one that has not ended."
    )
    children = models.JSONField(
        null=True,
        help_text="Child executions of items that it waits for: how many, how many at a time, started, ended, failed.",
    )
    details = OrderedJSONField(
        null=True,
        help_text="What a hold is about: {reason, error, took_ms, sent}; `sent` are the hosts to which the node run has"
        " sent credentials, by the credential's id.",
    )
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    outcome = OrderedJSONField(null=True, help_text="The data that the node run continues with.")

    objects = WaitQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["execution", "node_id", "run_index", "attempt"],
                name="one_wait_per_attempt",
                condition=~models.Q(kind="hold"),
            ),
            models.UniqueConstraint(
                fields=["execution", "node_id", "run_index", "attempt", "place"],
                name="one_hold_per_place",
                condition=models.Q(kind="hold"),
            ),
            models.CheckConstraint(
                condition=models.Q(kind="hold") ^ models.Q(place=""), name="only_holds_have_a_place"
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "-id"], name="wait_open", condition=models.Q(resolved_at__isnull=True)),
            models.Index(
                fields=["delivery_id"],
                name="wait_for_delivery",
                condition=models.Q(delivery_id__isnull=False, resolved_at__isnull=True),
            ),
            models.Index(
                fields=["id"],
                name="wait_for_children",
                condition=models.Q(children__isnull=False, resolved_at__isnull=True),
            ),
            models.Index(  # lists of held executions
                fields=["execution"], name="wait_held", condition=models.Q(kind="hold", resolved_at__isnull=True)
            ),
            models.Index(fields=["kind", "-id"], name="wait_decided", condition=models.Q(outcome__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.node_id}[{self.run_index}]"
