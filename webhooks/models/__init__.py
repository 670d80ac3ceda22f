"""Webhooks: who is told (Endpoint), what they are told (Delivery, DeliveryAttempt), and what others tell us."""

from webhooks.models.delivery import Delivery, DeliveryAttempt, DeliveryStatus, Origin, Outcome, Rank
from webhooks.models.endpoint import Endpoint, EndpointRevision, Ordering, Signature
from webhooks.models.inbound import InboundRequest, SeenMessage
from webhooks.models.lane import Lane
from webhooks.models.operation import Operation, OperationKind, OperationState
from webhooks.models.reconciliation import HourCount, Violation, ViolationKind
from webhooks.models.totals import RemovedTotals

__all__ = [
    "Delivery",
    "DeliveryAttempt",
    "DeliveryStatus",
    "Endpoint",
    "EndpointRevision",
    "HourCount",
    "InboundRequest",
    "Lane",
    "Operation",
    "OperationKind",
    "OperationState",
    "Ordering",
    "Origin",
    "Outcome",
    "Rank",
    "RemovedTotals",
    "SeenMessage",
    "Signature",
    "Violation",
    "ViolationKind",
]
