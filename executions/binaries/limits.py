"""Limits of files: the size of one, and the size and number of all files of an execution."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db.models import Count, Sum

from executions.domain.errors import NodeError
from executions.models import BinaryUse


class BinaryLimitExceeded(NodeError):
    """A file is too large, or the execution has too many files. The message names the limit."""


def check_size(name: str, size: int) -> None:
    """Check the size of one file, complete or not. Raises BinaryLimitExceeded."""
    if size > settings.BINARY_MAX_BYTES:
        raise BinaryLimitExceeded(
            f"The file {name!r} has more than {settings.BINARY_MAX_BYTES} bytes, the limit (BINARY_MAX_BYTES)."
        )


def check_total(execution_id: UUID, name: str, size: int) -> None:
    """Check that the execution may have one more file of `size` bytes. Raises BinaryLimitExceeded."""
    held = BinaryUse.objects.filter(execution=execution_id).aggregate(count=Count("binary"), size=Sum("binary__size"))
    count, total = held["count"] + 1, (held["size"] or 0) + size
    if count > settings.EXECUTION_BINARY_MAX_COUNT:
        raise BinaryLimitExceeded(
            f"The execution has {held['count']} files, the limit (EXECUTION_BINARY_MAX_COUNT), and cannot have {name!r}"
            " in addition."
        )
    if total > settings.EXECUTION_BINARY_MAX_BYTES:
        raise BinaryLimitExceeded(
            f"With {name!r} the files of the execution have {total} bytes; the limit is"
            f" {settings.EXECUTION_BINARY_MAX_BYTES} (EXECUTION_BINARY_MAX_BYTES)."
        )
