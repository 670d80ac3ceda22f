"""Endpoints: the URL of a receiver, its subscription, and how deliveries are sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7

MAX_URL = 2000
MAX_SCRIPT = 20_000


class Ordering(models.TextChoices):
    """The order in which the deliveries of an endpoint are sent. The labels are English; pages translate them."""

    UNORDERED = "unordered", _("Unordered: as soon as possible")
    PER_STREAM = "per_stream", _("Per stream: in order; a failing stream delays only itself")


class Signature(models.TextChoices):
    """How deliveries are signed (Standard Webhooks)."""

    V1 = "v1", "v1: HMAC-SHA256"
    V1A = "v1a", "v1a: Ed25519"


class EndpointQuerySet(WorkspaceScopedQuerySet["Endpoint"]):
    pass


class Endpoint(models.Model):
    """A receiver. Its health is in its Lane, which changes with every attempt."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="endpoints", db_index=False)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=5000)
    url = models.CharField(
        max_length=MAX_URL, help_text="The values of the query are masked; the whole URL is encrypted."
    )
    method = models.CharField(max_length=7, default="POST", choices=[(m, m) for m in ("POST", "PUT", "PATCH")])
    event_types = models.JSONField(
        default=list, help_text='Subscribed event types or patterns: ["execution.*", "workflow.updated"].'
    )
    workflow_id = models.UUIDField(null=True, blank=True, help_text="Only events of this workflow.")
    filter = models.TextField(
        blank=True,
        max_length=MAX_SCRIPT,
        help_text="JavaScript expression over `event`. Events for which it is falsy are not sent.",
    )
    transform = models.TextField(
        blank=True, max_length=MAX_SCRIPT, help_text="JavaScript function body that returns the payload for `event`."
    )
    sealed = models.BinaryField(help_text="Signing secrets, authentication, header values and whole URL, encrypted.")
    header_names = models.JSONField(
        default=list, help_text="The names of the extra headers; their values are encrypted."
    )
    auth_type = models.CharField(max_length=10, default="none", help_text="none, bearer, basic, header or query.")
    signature = models.CharField(max_length=3, choices=Signature.choices, default=Signature.V1)
    retry_policy = models.JSONField(default=dict, help_text="The fields of webhooks.retry_schedule.RetryPolicy.")
    timeout_seconds = models.FloatField(default=15, help_text="From the DNS lookup to the last byte of the response.")
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Maximum of attempts within any `rate_seconds`."
    )
    rate_seconds = models.FloatField(default=1)
    max_concurrent = models.PositiveSmallIntegerField(default=10, help_text="Maximum of concurrent attempts.")
    ordering = models.CharField(max_length=10, choices=Ordering.choices, default=Ordering.UNORDERED)
    follow_redirects = models.BooleanField(default=False)
    active = models.BooleanField(default=True, help_text="Whether deliveries are created and sent.")
    paused_at = models.DateTimeField(null=True, help_text="Since when deliveries are queued and not sent.")
    disabled_at = models.DateTimeField(null=True, help_text="When its responses made the platform disable it.")
    disabled_reason = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)
    """A deleted endpoint is hidden; its deliveries stay visible until retention removes them."""

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        indexes = [
            models.Index(
                fields=["workspace"],
                name="endpoint_listening",
                condition=models.Q(active=True, deleted_at__isnull=True),
            ),
            models.Index(fields=["workspace", "name"], name="endpoint_listed"),
        ]

    def __str__(self) -> str:
        return self.name


class EndpointRevision(models.Model):
    """The subscription of an endpoint during a time, from which reconciliation computes the events due."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="revisions")
    began_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    listening = models.BooleanField(help_text="Active and not deleted.")
    event_types = models.JSONField()
    workflow_id = models.UUIDField(null=True)

    class Meta:
        ordering = ["endpoint", "began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"], name="one_open_revision", condition=models.Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} since {self.began_at:%Y-%m-%d %H:%M}"
