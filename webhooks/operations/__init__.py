"""Things done to many deliveries, and replays of events to an endpoint: planned, started, and worked off in slices."""

from webhooks.operations.starting import BadOperation, Plan, Recipient, cancel, plan, start

__all__ = ["BadOperation", "Plan", "Recipient", "cancel", "plan", "start"]
