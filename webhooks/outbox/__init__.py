"""The outbox: deliveries are rows that are committed with what they tell of. What makes and takes back deliveries.

Everything here runs in the caller's transaction, or opens one; after the commit the workers are told. Nothing is sent
here (`webhooks.sending.sender`).
"""

from __future__ import annotations

from webhooks.outbox.ad_hoc import AdHoc, BadAdHoc, create_ad_hoc
from webhooks.outbox.fanout import deliver_events, deliver_to
from webhooks.outbox.withdrawal import Cancelled, Withdrawn, cancel, redeliver, withdraw

__all__ = [
    "AdHoc",
    "BadAdHoc",
    "Cancelled",
    "Withdrawn",
    "cancel",
    "create_ad_hoc",
    "deliver_events",
    "deliver_to",
    "redeliver",
    "withdraw",
]
