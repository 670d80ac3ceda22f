"""`manage.py reconcile_deliveries`: compares deliveries with the event history, as the scheduler does all the time."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Sum

from webhooks.maintenance import reconciliation
from webhooks.models import Endpoint, HourCount, Violation

SINCE = "24h"
UNITS = {"d": "days", "h": "hours"}
FIGURES = ("due", "delivered", "pending", "failed", "cancelled", "violations")


class Command(BaseCommand):
    help = (
        "Compare the events that each endpoint should have received with its deliveries, hour by hour. Lists every"
        " violation. The exit code is 1 if there are violations."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", metavar=SINCE, type=_moment, default=SINCE,
            help=f"Start of the comparison: an age (30d, 12h) or a time (2026-11-25T03:00Z). Default: {SINCE}.",
        )  # fmt: skip
        parser.add_argument("--endpoint", metavar="ID", type=_id, help="Compare this endpoint only.")
        parser.add_argument("--repair", action="store_true", help="Create missing deliveries.")

    def handle(self, *args: Any, **options: Any) -> None:
        since, endpoint = options["since"], options["endpoint"]
        if endpoint and not Endpoint.objects.filter(pk=endpoint).exists():
            raise CommandError(f"--endpoint: no endpoint has the id {endpoint}.")
        reconciliation.catch_up()
        for hour in reconciliation.hours_since(since):
            reconciliation.reconcile(hour, endpoint)
            if options["repair"] and (made := reconciliation.repair(hour, endpoint)):
                self.stdout.write(f"{hour:%Y-%m-%d %H:00}: {made} missing deliveries created")
        if self._tell(reconciliation.hour_of(since), endpoint):
            raise SystemExit(1)

    def _tell(self, since: datetime, endpoint: UUID | None) -> int:
        """Write the result. Returns the number of violations."""
        violations = Violation.objects.filter(hour__gte=since).select_related("endpoint").order_by("hour", "pk")
        counts = HourCount.objects.filter(hour__gte=since)
        if endpoint:
            violations, counts = violations.filter(endpoint=endpoint), counts.filter(endpoint=endpoint)
        for each in violations.iterator():
            summary = (
                f"{each.hour:%Y-%m-%d %H:00} {each.endpoint} ({each.endpoint_id}): {each.kind}: event {each.event_id}"
            )
            self.stdout.write(summary)
        sums = counts.aggregate(**{name: Sum(name, default=0) for name in FIGURES})
        self.stdout.write(
            "{due} due = {delivered} delivered + {pending} pending + {failed} failed + {cancelled} cancelled;"
            " {violations} violations".format(**sums)
        )
        return int(sums["violations"])


def _moment(text: str) -> datetime:
    if match := re.fullmatch(r"(\d{1,5})([dh])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be an age (30d, 12h) or a time (2026-11-25T03:00Z), not {text!r}"
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be the id of an endpoint, not {text!r}") from None
