"""`manage.py cleanup_deliveries`: removes old deliveries, as the scheduler does every hour."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webhooks.maintenance import cleanup
from webhooks.maintenance.cleanup import DeliveryRetention
from workflow_platform.core.leases import AlreadyRunning

MOST_DAYS = 36_500


class Command(BaseCommand):
    help = (
        "Remove deliveries that ended long ago, with their attempts, and old entries of the inbound request log."
        " Deliveries that have not ended stay. Without options it follows the settings WEBHOOK_HISTORY_*. It is safe to"
        " stop and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", metavar="N", type=_days, help="Keep what ended within this many days; 0 keeps nothing."
        )
        parser.add_argument(
            "--max-attempts", metavar="N", type=_count,
            help="Keep at most this many attempts, and as many inbound requests; removes the oldest. 0 sets no limit.",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="Only show what would be removed.")

    def handle(self, *args: Any, **options: Any) -> None:
        terms = DeliveryRetention.of_settings()
        if options["days"] is not None:
            terms = replace(terms, keep=timedelta(days=options["days"]))
        if options["max_attempts"] is not None:
            terms = replace(terms, max_attempts=options["max_attempts"])
        try:
            report = cleanup.forecast(terms) if options["dry_run"] else cleanup.clean_up(terms)
        except AlreadyRunning as error:
            raise CommandError(str(error)) from None
        would = "would be " if options["dry_run"] else ""
        for name, count in asdict(report).items():
            if count:
                what = name.replace("_", " ")
                self.stdout.write(f"{count:,} {what if count != 1 else _singular(what)} {would}removed")
        if report.is_empty:
            self.stdout.write("Nothing to remove.")


def _singular(what: str) -> str:
    return f"{what.removesuffix('ies')}y" if what.endswith("ies") else what.removesuffix("s")


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be a number of days from 0 to {MOST_DAYS}, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return int(text)
