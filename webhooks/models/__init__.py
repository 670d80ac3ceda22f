"""The tables of webhooks: endpoints, deliveries with their attempts, and inbound requests.

Other packages may read all of them; deliveries are written by `outbox` and `sending` only.
"""

from webhooks.models.delivery import AttemptOutcome, Delivery, DeliveryAttempt, DeliveryStatus, Origin, Rank
from webhooks.models.endpoint import Endpoint, EndpointRevision, Ordering, Signature
from webhooks.models.inbound import InboundRequest, SeenMessage
from webhooks.models.lane import Lane
from webhooks.models.operation import Operation, OperationKind, OperationState
from webhooks.models.reconciliation import HourCount, Violation, ViolationKind
from webhooks.models.totals import DeliveryTotal

__all__ = [
    "AttemptOutcome",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryStatus",
    "DeliveryTotal",
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
    "Rank",
    "SeenMessage",
    "Signature",
    "Violation",
    "ViolationKind",
]
