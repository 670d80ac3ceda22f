"""The register of encrypted columns: apps register theirs at the start; `rotate_credential_keys` re-encrypts all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import models, transaction

from workflow_platform.core.secrets import encryption

Rotate = Callable[[int, UUID | None], tuple[int, list[UUID], UUID | None]]
"""From (number of rows at most, the last id before) to (number of re-encrypted rows, ids of rows that no key decrypts,
the last id or None at the end); in one transaction."""

_known: dict[str, Rotate] = {}


def register(what: str, rotate: Rotate) -> None:
    """Register `rotate` for rows with the name `what` (plural)."""
    _known[what] = rotate


def register_column(what: str, model: type[models.Model], column: str) -> None:
    """Register a column of a model whose primary key is a UUID; rows in which it is empty are left out."""
    register(what, lambda chunk, after: _rotate_column(model, column, chunk, after))


def known() -> dict[str, Rotate]:
    """Return the registered functions by name."""
    return dict(_known)


def _rotate_column(
    model: type[models.Model], column: str, chunk: int, after: UUID | None
) -> tuple[int, list[UUID], UUID | None]:
    rows: models.QuerySet[Any] = model._default_manager.exclude(**{column: None}).order_by("pk").only("pk", column)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    with transaction.atomic():
        batch = list(rows.select_for_update(of=["self"], no_key=True)[:chunk])
        changed, lost = [], []
        for row in batch:
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
    return len(changed), lost, batch[-1].pk if batch else None
