"""The schedules of active workflows."""

from __future__ import annotations

from django.db import models

from executions.domain.schedule_rule import ScheduleRule
from executions.models.execution import Execution
from executions.models.workflow import Workflow
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet


class Missed(models.TextChoices):
    SKIP = "skip"
    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"


class ScheduleQuerySet(WorkspaceScopedQuerySet["Schedule"]):
    workspace_path = "workflow__workspace"


class Schedule(models.Model):
    """The next start of an active workflow by a schedule trigger. Written by `triggers.schedules`."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="schedules")
    node_id = models.CharField(max_length=100)
    cron = models.CharField(max_length=200, blank=True, help_text="Empty where there is an interval.")
    interval_seconds = models.PositiveIntegerField(null=True)
    timezone = models.CharField(max_length=64)
    missed = models.CharField(max_length=10, choices=Missed.choices)
    anchor_at = models.DateTimeField(help_text="The time that the interval is counted from.")
    next_at = models.DateTimeField(db_index=True, help_text="The next planned time.")
    last_at = models.DateTimeField(null=True, help_text="The planned time of the last execution.")
    last_fired_at = models.DateTimeField(null=True)
    last_execution = models.ForeignKey(Execution, null=True, on_delete=models.SET_NULL, related_name="+")
    last_error = models.TextField(blank=True, help_text="Why the last firing started nothing; empty if it did.")
    last_error_at = models.DateTimeField(null=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["next_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "node_id"], name="one_schedule_per_trigger"),
            models.CheckConstraint(
                condition=models.Q(cron="", interval_seconds__gte=1)
                | (~models.Q(cron="") & models.Q(interval_seconds__isnull=True)),
                name="schedule_has_cron_or_interval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} {self.node_id}: {self.cron or self.interval_seconds}"

    @property
    def rule(self) -> ScheduleRule:
        """Return the rule that determines when it is due."""
        return ScheduleRule(self.cron or None, self.interval_seconds, self.timezone, self.anchor_at)
