"""`/api/webhooks/operations/`: many deliveries at once. First counted, with the exact recipients; then started, and
followed until it is done."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks import operations
from webhooks.api.operation_serializers import (
    OperationListFilterSerializer,
    OperationRequestSerializer,
    OperationSerializer,
    PlanSerializer,
)
from webhooks.models import Endpoint, Operation, OperationKind
from workflow_platform import idempotency
from workflow_platform.accounts.models import Role, Workspace
from workflow_platform.accounts.shortcuts import get_visible_or_404
from workflow_platform.accounts.views import user_of
from workflow_platform.idempotency import create_once
from workflow_platform.problems import Problem


class Chosen(Protocol):
    """A body that says which deliveries, and whether they are only to be counted."""

    @property
    def validated_data(self) -> Any: ...

    def chosen(self) -> dict[str, Any]: ...
