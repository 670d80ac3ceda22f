"""Lanes: the queue of one receiver, which is an endpoint, or a host of ad-hoc deliveries of a workspace."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webhooks.models.endpoint import Endpoint
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet


class LaneQuerySet(WorkspaceScopedQuerySet["Lane"]):
    pass


class Lane(models.Model):
    """The health and limits of a receiver. Only processes that claim its deliveries lock the row.

    The id is that of the endpoint, or a uuid5 of workspace and origin, so that it is known without a query.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    endpoint = models.OneToOneField(Endpoint, null=True, on_delete=models.CASCADE, related_name="lane")
    host = models.CharField(max_length=300, blank=True, help_text="For ad-hoc deliveries: host:port.")
    window = models.FloatField(
        default=2, help_text="Concurrent attempts: one more after each success, half after a failure."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)
    open_until = models.DateTimeField(null=True, help_text="The circuit breaker is open until then.")
    opened_times = models.PositiveIntegerField(default=0, help_text="How often in a row the circuit breaker opened.")
    slow_ms = models.FloatField(default=0, help_text="Duration of an attempt: a moving average.")
    tokens = models.FloatField(default=0, help_text="Tokens of the rate limit at `tokens_at`.")
    tokens_at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(null=True, help_text="The end of the pause that Retry-After asked for.")
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    objects = LaneQuerySet.as_manager()

    def __str__(self) -> str:
        return self.host or str(self.endpoint)
