"""Deliveries and their attempts. Only `webhooks.outbox` and `claiming`, `leases`, `outcomes`, `lanes` and `sweeper` of
`webhooks.sending` change the status of a delivery."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from webhooks.models.endpoint import MAX_URL, Endpoint
from workflow_platform.core.accounts.models import Role, User, Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class DeliveryStatus(models.TextChoices):
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNENDED = [DeliveryStatus.PENDING, DeliveryStatus.SENDING]


class Origin(models.TextChoices):
    """Why a delivery was created. The labels are English; pages translate them."""

    EVENT = "event", _("A subscribed event")
    TEST = "test", _("A test event")
    API = "api", _("A request to the API")
    NODE = "node", _("A send_webhook node")
    REPLAY = "replay", _("A replayed event")
    TRACE = "trace", _("Spans for the collector of traces")


class Rank(models.IntegerChoices):
    """Priority; lower values are sent first."""

    HIGH = 0
    DEFAULT = 1
    LOW = 2


class DeliveryQuerySet(WorkspaceScopedQuerySet["Delivery"]):
    def visible_to(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the rows of the workspaces in which `user` has at least `role`.

        The workspaces are read first: with their ids the index finds the newest of a million rows.
        """
        workspaces = Workspace.objects.visible_to(user, role).order_by().values_list("pk", flat=True)
        return self.filter(workspace__in=list(workspaces))


class Delivery(models.Model):
    """One event for one endpoint, or one ad-hoc message for one URL. `webhook-id` is `msg_` and the id in hex."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Only the workspace has a foreign key in the database: these rows are written in the transactions of events.
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
        help_text="Empty: of the installation (a replayed event, spans), which only the admin shows.",
    )
    lane_id = models.UUIDField()
    endpoint = models.ForeignKey(
        Endpoint,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
        help_text="Empty: an ad-hoc delivery.",
    )
    origin = models.CharField(max_length=6, choices=Origin.choices, default=Origin.EVENT)
    status = models.CharField(max_length=9, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    rank = models.PositiveSmallIntegerField(choices=Rank.choices, default=Rank.DEFAULT)
    due_at = models.DateTimeField(default=timezone.now, help_text="The time of the next attempt.")
    ordering_key = models.CharField(
        max_length=80, blank=True, help_text="The stream, for an endpoint that keeps the order of streams."
    )

    event_id = models.UUIDField(null=True)
    event_type = models.CharField(max_length=60, blank=True)
    stream = models.CharField(max_length=80, blank=True)
    sequence = models.BigIntegerField(null=True)
    execution_id = models.UUIDField(null=True)
    workflow_id = models.UUIDField(null=True)
    node_id = models.CharField(max_length=100, blank=True, help_text="The node run that created it.")
    run_index = models.PositiveIntegerField(null=True)
    operation_id = models.UUIDField(null=True, help_text="The operation that created or redelivered it.")

    method = models.CharField(max_length=7, default="POST")
    url = models.CharField(
        max_length=MAX_URL, blank=True, help_text="For an ad-hoc delivery; the values of the query are masked."
    )
    sealed = models.BinaryField(
        null=True, help_text="Headers, authentication and whole URL of an ad-hoc delivery, encrypted."
    )
    options = models.JSONField(
        null=True, help_text='For an ad-hoc delivery: {"timeout_seconds", "retry_policy", "headers", "message_id"}.'
    )
    content_type = models.CharField(max_length=200, default="application/cloudevents+json; charset=utf-8")
    body = models.TextField(
        blank=True, help_text="The content: created with the event, transformed before the first attempt."
    )
    prepared = models.BooleanField(default=False, help_text="Filter and transformation have been applied.")
    idempotency_key = models.CharField(max_length=200, blank=True)
    awaited = models.BooleanField(
        default=False, help_text="Its end is reported to the node run or replay that created it."
    )

    attempts_made = models.PositiveIntegerField(default=0)
    attempts_before = models.PositiveIntegerField(
        default=0, help_text="Attempts before the latest redelivery, from which the retry policy counts."
    )
    lease_token = models.PositiveIntegerField(
        default=0, help_text="Increases with each claim; writes need the current token."
    )
    lease_expires_at = models.DateTimeField(null=True)
    cancel_requested = models.BooleanField(
        default=False, help_text="Cancelled while an attempt was in flight: no further attempt."
    )
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Status code of the latest attempt.")
    error = models.CharField(max_length=500, blank=True, help_text="Why it failed, was cancelled or is retried.")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=DeliveryStatus.values), name="delivery_status_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=UNENDED, ended_at__isnull=True)
                | (~models.Q(status__in=UNENDED) & models.Q(ended_at__isnull=False)),
                name="ended_deliveries_have_an_end",
            ),
            models.UniqueConstraint(
                fields=["workspace", "idempotency_key"],
                name="one_delivery_per_idempotency_key",
                condition=~models.Q(idempotency_key=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane_id", "rank", "due_at"], name="delivery_due", condition=models.Q(status="pending")
            ),
            models.Index(fields=["lane_id"], name="delivery_sending", condition=models.Q(status="sending")),
            models.Index(
                fields=["lane_id", "ordering_key", "sequence", "id"],
                name="delivery_in_order",
                condition=models.Q(status__in=["pending", "sending"]) & ~models.Q(ordering_key=""),
            ),
            models.Index(fields=["workspace", "-id"], name="delivery_listed"),
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
            models.Index(
                fields=["endpoint", "status", "-id"],
                name="delivery_failed",
                condition=models.Q(status__in=["failed", "cancelled"]),
            ),
            models.Index(
                fields=["execution_id"], name="delivery_of_execution", condition=models.Q(execution_id__isnull=False)
            ),
            models.Index(fields=["event_id"], name="delivery_of_event", condition=models.Q(event_id__isnull=False)),
            models.Index(fields=["ended_at"], name="delivery_ended", condition=models.Q(ended_at__isnull=False)),
            models.Index(fields=["ended_at"], name="delivery_of_spans_ended", condition=models.Q(origin="trace")),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or self.method} {self.id}"

    @property
    def message_id(self) -> str:
        """Return the `webhook-id`: the same on every attempt."""
        return str((self.options or {}).get("message_id") or f"msg_{self.id.hex}")


class AttemptOutcome(models.TextChoices):
    """The result of an attempt."""

    DELIVERED = "delivered", "Delivered: a 2xx response"
    RETRY = "retry", "Failed; another attempt follows"
    FAILED = "failed", "Failed permanently"
    LOST = "lost", "The worker was lost; the request may have arrived"


class DeliveryAttemptQuerySet(WorkspaceScopedQuerySet["DeliveryAttempt"]):
    pass


class DeliveryAttempt(models.Model):
    """One HTTP request. Secret headers are masked. Times are in milliseconds; null if the phase was not reached."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False, db_constraint=False
    )
    endpoint_id = models.UUIDField(null=True)
    number = models.PositiveIntegerField(help_text="From 1.")
    outcome = models.CharField(max_length=9, choices=AttemptOutcome.choices)
    started_at = models.DateTimeField()
    url = models.CharField(max_length=MAX_URL, help_text="The values of the query are masked.")
    request_headers = models.JSONField(default=dict)
    status_code = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True, help_text="Up to WEBHOOK_RESPONSE_MAX_BYTES.")
    response_truncated = models.BooleanField(default=False)
    error_class = models.CharField(
        max_length=20,
        blank=True,
        help_text="refused, dns, connect, tls, timeout, reset, protocol, status, script, lost.",
    )
    error = models.CharField(max_length=500, blank=True)
    dns_ms = models.FloatField(null=True)
    connect_ms = models.FloatField(null=True)
    tls_ms = models.FloatField(null=True)
    first_byte_ms = models.FloatField(null=True)
    total_ms = models.FloatField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    span_due = models.BooleanField(
        default=False, db_default=False, help_text="It belongs to a trace, and its span is not exported yet."
    )

    objects = DeliveryAttemptQuerySet.as_manager()

    class Meta:
        ordering = ["delivery", "number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="one_attempt_per_number"),
        ]
        indexes = [
            models.Index(fields=["endpoint_id", "-id"], name="attempt_of_endpoint"),
            models.Index(fields=["id"], name="attempt_span_due", condition=models.Q(span_due=True)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"
