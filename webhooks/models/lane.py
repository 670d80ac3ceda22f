"""The way to one receiver: an endpoint, or a host that ad-hoc deliveries of a workspace go to."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webhooks.models.endpoint import Endpoint
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet


class LaneQuerySet(WorkspaceScopedQuerySet["Lane"]):
    pass


class Lane(models.Model):
    """How a receiver does, and what is allowed to it: locked by whoever claims deliveries of it, and by nobody else.

    The id is that of the endpoint, or made of workspace and host (uuid5), so that many can find it without asking.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    endpoint = models.OneToOneField(Endpoint, null=True, on_delete=models.CASCADE, related_name="lane")
    host = models.CharField(max_length=300, blank=True, help_text="host:port of ad-hoc deliveries.")
    window = models.FloatField(
        default=2, help_text="Attempts at a time: one more after each success, half as many after a failure."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)
    open_until = models.DateTimeField(null=True, help_text="The circuit breaker: until then nothing is sent.")
    opened_times = models.PositiveIntegerField(default=0, help_text="How often in a row it opened.")
    slow_ms = models.FloatField(default=0, help_text="What an attempt takes, averaged with more weight on the latest.")
    tokens = models.FloatField(default=0, help_text="Of the rate limit, at `tokens_at`.")
    tokens_at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(null=True, help_text="What Retry-After asked for.")
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    objects = LaneQuerySet.as_manager()

    def __str__(self) -> str:
        return self.host or str(self.endpoint)
