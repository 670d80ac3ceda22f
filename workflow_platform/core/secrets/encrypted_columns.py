"""Which columns hold secrets at rest: apps name theirs when they start, and `rotate_credential_keys` goes over all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import models, transaction

from workflow_platform.core.secrets import encryption

Rotate = Callable[[int, UUID | None], tuple[int, list[UUID], UUID | None]]
"""From (how many rows at most, the last id looked at before) to (how many were encrypted anew, the ids of those that no
key opens, the last id looked at or None at the end); in one transaction."""

_known: dict[str, Rotate] = {}


def register(what: str, rotate: Rotate) -> None:
    """Have `rotate` called for the rows that are called `what`, in the plural."""
    _known[what] = rotate


def register_column(what: str, model: type[models.Model], column: str) -> None:
    """Have a column of a model, whose primary key is a UUID, encrypted anew; rows in which it is empty are left out."""
    register(what, lambda chunk, after: _rotate_column(model, column, chunk, after))


def known() -> dict[str, Rotate]:
    """Return what is registered, by what it is called."""
    return dict(_known)


def _rotate_column(
    model: type[models.Model], column: str, chunk: int, after: UUID | None
) -> tuple[int, list[UUID], UUID | None]:
    rows: models.QuerySet[Any] = model._default_manager.exclude(**{column: None}).order_by("pk").only("pk", column)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    with transaction.atomic():
        found = list(rows.select_for_update(of=["self"], no_key=True)[:chunk])
        changed, lost = [], []
        for row in found:
            token = bytes(getattr(row, column))
            if encryption.is_current(token):
                continue
            try:
                setattr(row, column, encryption.encrypt_anew(token))
            except encryption.CannotDecrypt:
                lost.append(row.pk)
                continue
            changed.append(row)
        model._default_manager.bulk_update(changed, [column])
    return len(changed), lost, found[-1].pk if found else None
