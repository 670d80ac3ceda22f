"""The outbox: creates, cancels and redelivers deliveries, in the transaction of the change that they report.

All functions run in the caller's transaction, or open one, and wake the workers after the commit. Sending is done by
`webhooks.sending.sender`. Other packages use the names below.
"""

from __future__ import annotations

from webhooks.outbox.ad_hoc import AdHoc, BadAdHoc, create_ad_hoc
from webhooks.outbox.fanout import deliver_events, deliver_to
from webhooks.outbox.spans import create_for_collector
from webhooks.outbox.withdrawal import CancelResult, Withdrawn, cancel, redeliver, withdraw

__all__ = [
    "AdHoc",
    "BadAdHoc",
    "CancelResult",
    "Withdrawn",
    "cancel",
    "create_ad_hoc",
    "create_for_collector",
    "deliver_events",
    "deliver_to",
    "redeliver",
    "withdraw",
]
