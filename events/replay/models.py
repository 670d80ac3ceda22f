"""A replay and its events. `control` changes its clock, `sending` delivers its events."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from events.replay.clock import Clock
from workflow_platform.core.accounts.models import Role, User, Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7

REPLAY = "replay:"
"""What names of replay streams begin with."""


class ReplayMode(models.TextChoices):
    """How the pace is defined."""

    SPEED = "speed", "The original pace, times a speed"
    DELAY = "delay", "The same delay between all events"
    AT_ONCE = "at_once", "All at once"


class ReplayStatus(models.TextChoices):
    """The status of a replay. A replay to a stream ends with its clock, so only `reading.snapshot` knows its end."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ReplayTarget(models.TextChoices):
    """The target of the events."""

    STREAM = "stream", "The stream replay:<id>"
    ENDPOINT = "endpoint", "An endpoint, or a URL: one request for each event"


class ReplayQuerySet(WorkspaceScopedQuerySet["Replay"]):
    def visible_to(self, user: User | object, role: Role = Role.VIEWER) -> Self:
        """Return the replays whose events the caller may all see, and which they created or in all of whose workspaces
        they have `role`. Events of the installation are for staff."""
        if not isinstance(user, User):
            return self.none()
        seen = list(Workspace.objects.visible_to(user).order_by().values_list("pk", flat=True))
        with_role = seen
        if role is not Role.VIEWER:
            with_role = list(Workspace.objects.visible_to(user, role).order_by().values_list("pk", flat=True))
        shared = Q(workspace_ids__contained_by=with_role) & ~Q(workspace_ids=[])
        visible = self.filter(Q(created_by=user.pk) | shared, workspace_ids__contained_by=seen)
        return visible if user.is_staff else visible.filter(with_installation=False)

    def unfinished(self, now: Any) -> Self:
        """Return the replays that still have events to show or to send."""
        running = Q(state=ReplayStatus.RUNNING) & (Q(target=ReplayTarget.ENDPOINT) | Q(finishes_at__gt=now))
        return self.filter(Q(state=ReplayStatus.PAUSED) | running, expires_at__gt=now)


class Replay(models.Model):
    """Recorded events, numbered from 1, and a clock that says which of them are due."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    workspace_ids = ArrayField(models.UUIDField(), default=list, help_text="The workspaces of the events.")
    with_installation = models.BooleanField(default=False, help_text="Whether there are events without a workspace.")
    filter = models.JSONField(default=dict)
    mode = models.CharField(max_length=10, choices=ReplayMode.choices)
    speed = models.FloatField(default=1.0)
    delay_ms = models.PositiveIntegerField(null=True)
    target = models.CharField(max_length=10, choices=ReplayTarget.choices)
    state = models.CharField(max_length=10, choices=ReplayStatus.choices, default=ReplayStatus.RUNNING)
    total = models.PositiveIntegerField(default=0)
    duration_ms = models.BigIntegerField(default=0, help_text="The last event's offset.")
    first_time = models.DateTimeField(null=True, help_text="The time of the first event.")

    anchor_at = models.DateTimeField(default=timezone.now)
    anchor_offset_ms = models.FloatField(default=0.0)
    anchor_sequence = models.PositiveIntegerField(default=0)
    revision = models.PositiveIntegerField(default=0, help_text="Increases with every change.")
    rewind_revision = models.PositiveIntegerField(default=0, help_text="The revision of the latest seek backwards.")
    rewind_sequence = models.PositiveIntegerField(default=0, help_text="The sequence that it went back to.")
    finishes_at = models.DateTimeField(null=True, help_text="When the clock reaches the end; empty while paused.")

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    watched_at = models.DateTimeField(null=True, help_text="When a client last watched its stream, to within seconds.")
    error = models.TextField(default="", blank=True)

    # For the target `endpoint` only: an endpoint by its id, or a URL.
    receiver_id = models.UUIDField(null=True, help_text="The endpoint; null for a URL.")
    # With the values of its query masked; the whole URL is in `secrets`.
    url = models.TextField(default="", blank=True)
    secrets = models.BinaryField(null=True, help_text="Whole URL, headers and signing secret, encrypted.")
    header_names = ArrayField(models.CharField(max_length=100), default=list)
    signed = models.BooleanField(default=False)
    position = models.PositiveIntegerField(default=0, help_text="The last event that was delivered.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Failed attempts to deliver the next one.")
    next_at = models.DateTimeField(null=True, help_text="When the next step is due; empty: none is.")
    queued_at = models.DateTimeField(null=True, help_text="When a job was last queued for it.")
    delivery_id = models.UUIDField(null=True, help_text="The delivery to a URL that it waits for.")
    delivery_sequence = models.PositiveIntegerField(default=0, help_text="Which event that delivery carries.")
    delivery_revision = models.PositiveIntegerField(default=0, help_text="The revision when it was written.")

    objects = ReplayQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["created_by", "-id"], name="replays_of_a_user"),
            models.Index(fields=["next_at"], name="replays_to_send", condition=Q(next_at__isnull=False)),
            models.Index(fields=["expires_at"], name="replays_to_expire"),
            models.Index(fields=["delivery_id"], name="replays_by_delivery", condition=Q(delivery_id__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(speed__gt=0), name="replay_speed_is_positive"),
            models.CheckConstraint(condition=Q(position__lte=models.F("total")), name="replay_position_within_total"),
        ]

    def __str__(self) -> str:
        return self.stream

    @property
    def stream(self) -> str:
        """Return the name of its stream."""
        return f"{REPLAY}{self.pk}"

    @property
    def clock(self) -> Clock:
        """Return the clock; it runs only in the state `running`."""
        paused = self.state != ReplayStatus.RUNNING
        return Clock(self.anchor_at, self.anchor_offset_ms, self.anchor_sequence, self.speed, paused)


class ReplayEvent(models.Model):
    """The position of an event in a replay: a sequence always means the same event."""

    pk = models.CompositePrimaryKey("replay_id", "sequence")
    # Without a foreign key in the database: up to 100,000 rows are written in one statement.
    replay = models.ForeignKey(
        Replay, on_delete=models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    sequence = models.PositiveIntegerField()
    event_id = models.UUIDField()
    offset_ms = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["replay", "offset_ms", "sequence"], name="replay_events_by_offset")]

    def __str__(self) -> str:
        return f"#{self.sequence} of {self.replay_id}"
