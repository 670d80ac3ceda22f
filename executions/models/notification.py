"""Notifications of users, what they chose to receive, and the state that they are derived from."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from executions.models.wait import Wait
from executions.models.workflow import Workflow
from workflow_platform.core.accounts.models import Membership, Role, User, Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class NotificationKind(models.TextChoices):
    FAILED = "workflow_failed", "Workflow failed"
    RECOVERED = "workflow_recovered", "Workflow recovered"
    APPROVAL = "approval_waiting", "Approval waiting"
    HELD = "execution_held", "Execution held"
    ENDPOINT = "endpoint_disabled", "Endpoint disabled"


class EmailChoice(models.TextChoices):
    """When notifications are sent by email."""

    OFF = "off", "Never"
    AT_ONCE = "at_once", "At once"
    HOURLY = "hourly", "Once an hour"
    DAILY = "daily", "Once a day"


class EmailState(models.TextChoices):
    """What became of an email. It is sent at most once: `unknown` is not sent again."""

    QUEUED = "queued", "Waits for its attempt"
    SENDING = "sending", "A worker sends it"
    SENT = "sent", "The mail server accepted it"
    SKIPPED = "skipped", "No longer wanted, or there was nothing left to say"
    FAILED = "failed", "The mail server refused it"
    UNKNOWN = "unknown", "It is not known whether the mail server accepted it"


class WorkflowScope(models.TextChoices):
    """Of which workflows a user is notified."""

    OWN = "own", "Workflows that I own"
    ALL = "all", "All workflows"


def _open_approval() -> models.Exists:
    """Return the condition that the approval of a notification is open."""
    return models.Exists(Wait.objects.open().filter(pk=models.OuterRef("wait_id")))


class NotificationQuerySet(WorkspaceScopedQuerySet["Notification"]):
    def visible_to(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the user's own notifications that pages list, of workspaces in which they have the role needed."""
        return self.allowed_for(user, role).filter(in_page=True)

    def allowed_for(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the user's own notifications, on pages or by email, as `visible_to` does."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        allowed = models.Q()
        for needed in Role:
            held = Membership.objects.filter(user=user, role__in=max(needed, role, key=list(Role).index).and_above)
            allowed |= models.Q(needs=needed, workspace__in=held.order_by().values("workspace"))
        return self.filter(allowed, recipient=user)

    def unread(self) -> Self:
        """Return those that are not read and still matter: an approval that is decided or has expired does not."""
        return self.filter(models.Q(wait_id__isnull=True) | _open_approval(), read_at__isnull=True)

    def settled(self) -> Self:
        """Return those that are not unread."""
        return self.filter(models.Q(read_at__isnull=False) | models.Q(wait_id__isnull=False) & ~_open_approval())


class Notification(models.Model):
    """One fact for one user. It names its subject; what it says is composed when it is read."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    kind = models.CharField(max_length=20, choices=NotificationKind.choices)
    # Not CASCADE: a workspace can be deleted while notifications of it remain. They are no longer shown.
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.SET_NULL, related_name="+")
    needs = models.CharField(max_length=10, choices=Role.choices, help_text="The role without which it is hidden.")
    event_id = models.UUIDField(help_text="The event that it was derived from.")
    happened_at = models.DateTimeField()
    workflow = models.ForeignKey(Workflow, null=True, on_delete=models.CASCADE, related_name="+")
    # Ids without a constraint: retention deletes their rows, and reads no notifications for that.
    execution_id = models.UUIDField(null=True)
    wait_id = models.UUIDField(null=True)
    endpoint_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=200, help_text="The name of the workflow or endpoint at that time.")
    node = models.CharField(max_length=200, blank=True, help_text="The name of the node that failed or waits.")
    failures = models.PositiveIntegerField(default=0, help_text="Recovered: how many executions had failed in a row.")
    read_at = models.DateTimeField(null=True)
    in_page = models.BooleanField(
        default=True, db_default=True, help_text="Whether pages list it; otherwise it is only sent by email."
    )
    email_due_at = models.DateTimeField(null=True, help_text="When it is due by email; empty: not, or done.")
    email = models.ForeignKey("NotificationEmail", null=True, on_delete=models.SET_NULL, related_name="notifications")

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["recipient", "event_id"], name="one_notification_per_event_and_user"),
        ]
        indexes = [
            models.Index(fields=["recipient", "-id"], name="notification_listed"),
            models.Index(fields=["recipient"], name="notification_unread", condition=models.Q(read_at__isnull=True)),
            models.Index(
                fields=["email_due_at"], name="notification_email_due", condition=models.Q(email_due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class NotificationEmail(models.Model):
    """An email with notifications of one user. Its state is recorded before and after the attempt."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=EmailState.choices, default=EmailState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="When its next attempt is due.")
    queued_at = models.DateTimeField(null=True, help_text="When a job was queued for it.")
    claimed_at = models.DateTimeField(null=True, help_text="When a worker began to send it.")
    ended_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True, help_text="Why the last attempt failed.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["due_at"], name="email_unended", condition=models.Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.recipient}: {self.state}"


class WorkflowHealth(models.Model):
    """How the live executions of a workflow ended lately, and up to which event that is known.

    A workflow without a row has not failed since notifications exist.
    """

    workflow = models.OneToOneField(Workflow, primary_key=True, on_delete=models.CASCADE, related_name="health")
    failures = models.PositiveIntegerField(default=0, help_text="Failed executions in a row; 0: it is fine.")
    failing_since = models.DateTimeField(null=True)
    # The last event that changed it, in the order over streams: an event that is read again changes nothing.
    transaction = models.BigIntegerField()
    stream_id = models.BigIntegerField()
    sequence = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.workflow}: {self.failures} failures"


class NotificationPreference(models.Model):
    """What a user wants to receive: of all workspaces, or of one, which then takes precedence."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    membership = models.OneToOneField(
        Membership,
        null=True,
        on_delete=models.CASCADE,
        related_name="notification_preference",
        help_text="Empty: all workspaces without a preference of their own. It ends with the membership.",
    )
    in_page = models.BooleanField(default=True)
    email = models.CharField(
        max_length=10, choices=EmailChoice.choices, default=EmailChoice.OFF, db_default=EmailChoice.OFF
    )
    emails = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="By kind of notification, when it is sent by email; kinds that are missing follow `email`.",
    )
    workflows = models.CharField(max_length=5, choices=WorkflowScope.choices, default=WorkflowScope.OWN)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], name="one_preference_for_all_workspaces", condition=models.Q(membership__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {'in page' if self.in_page else 'not in page'}"

    def email_for(self, kind: str) -> EmailChoice:
        """Return when notifications of a kind are sent by email."""
        return EmailChoice(self.emails.get(kind, self.email))


class MutedWorkflow(models.Model):
    """A workflow about which a user gets no notifications."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        ordering = ["workflow__name", "pk"]
        constraints = [models.UniqueConstraint(fields=["user", "workflow"], name="one_mute_per_workflow")]

    def __str__(self) -> str:
        return f"{self.user}: {self.workflow}"
