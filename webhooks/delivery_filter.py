"""A filter of deliveries, as a query."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from events.log.partitions import first_id
from webhooks.models import Delivery

SLACK = timedelta(minutes=5)
"""The largest difference between the time in an id and `created_at`: clocks of machines differ."""
_FAR = 2**37


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """A filter. Empty fields match everything."""

    statuses: Collection[str] = ()
    endpoints: Collection[UUID] = ()
    event_types: Collection[str] = ()
    origins: Collection[str] = ()
    execution: UUID | None = None
    workflow: UUID | None = None
    event: UUID | None = None
    operation: UUID | None = None
    status_code: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The time of creation: at or after `since`, before `until`."""

    def applied(self, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Return the rows that match."""
        return rows.filter(**self._equal(), **self._within(), **self._made())

    def _equal(self) -> dict[str, Any]:
        equal = {
            "execution_id": self.execution,
            "workflow_id": self.workflow,
            "event_id": self.event,
            "operation_id": self.operation,
            "status_code": self.status_code,
        }
        return {name: value for name, value in equal.items() if value is not None}

    def _within(self) -> dict[str, Any]:
        equal = {
            "status__in": self.statuses,
            "endpoint_id__in": self.endpoints,
            "event_type__in": self.event_types,
            "origin__in": self.origins,
        }
        return {name: sorted(values) for name, values in equal.items() if values}

    def _made(self) -> dict[str, Any]:
        """The ids, which are of their time, let the index that lists deliveries skip what is older or newer."""
        terms: dict[str, Any] = {}
        if self.since is not None:
            terms["created_at__gte"] = self.since
            if 0 < (self.since - SLACK).timestamp() < _FAR:
                terms["id__gte"] = first_id(self.since - SLACK)
        if self.until is not None:
            terms["created_at__lt"] = self.until
            if 0 < self.until.timestamp() < _FAR:
                terms["id__lt"] = first_id(self.until + SLACK)
        return terms
