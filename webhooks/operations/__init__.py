"""Operations on many deliveries: recover, redeliver, cancel, and replay events to an endpoint.

Other packages use the names below.
"""

from webhooks.operations.starting import BadOperation, OperationPlan, Recipient, cancel, plan, start

__all__ = ["BadOperation", "OperationPlan", "Recipient", "cancel", "plan", "start"]
