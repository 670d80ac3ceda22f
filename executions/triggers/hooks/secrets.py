"""The decrypted credentials that authenticate callers of webhooks, cached until they change.

One indexed query per batch of requests checks which cached credentials are current, so a changed or deleted credential
takes effect with the next request, in every process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from executions import credentials
from executions.domain.errors import NodeError
from executions.models import Credential
from workflow_platform.core.last_used import note_use

MAX_CACHED = 1_000

Reference = tuple[UUID, str]
"""A workspace, and the name or id of one of its credentials."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential's type and decrypted fields; `problem` explains why there are none."""

    type: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Cached:
    changed_at: datetime
    opened: Opened


class HookSecrets:
    """The cache of decrypted credentials of one process. Not thread-safe."""

    def __init__(self) -> None:
        self._cache: OrderedDict[UUID, _Cached] = OrderedDict()

    def look_up(self, requested: Iterable[Reference]) -> dict[Reference, Opened]:
        """Return the current state of each credential."""
        references = set(requested)
        if not references:
            return {}
        results = {}
        rows = list(_rows(references))
        self._open({row.pk for row in rows if not self._is_current(row)})
        by_name = {(row.workspace_id, row.name): row for row in rows}
        by_id = {(row.workspace_id, str(row.pk)): row for row in rows}
        for reference in references:
            row = by_id.get(reference) or by_name.get(reference)
            cached = None if row is None else self._cache.get(row.pk)
            if cached is None:
                results[reference] = Opened(
                    problem=f"The credential {reference[1]!r} no longer exists in this workspace."
                )
                continue
            assert row is not None
            note_use(row)
            self._cache.move_to_end(row.pk)
            results[reference] = cached.opened
        return results

    def _is_current(self, row: Credential) -> bool:
        cached = self._cache.get(row.pk)
        return cached is not None and cached.changed_at == row.updated_at

    def _open(self, ids: set[UUID]) -> None:
        for credential in ids:
            self._cache.pop(credential, None)
        for row in Credential.objects.filter(pk__in=ids) if ids else ():
            try:
                opened = Opened(row.type, credentials.opened(row).fields.model_dump())
            except NodeError as error:
                opened = Opened(row.type, problem=str(error))
            self._cache[row.pk] = _Cached(row.updated_at, opened)
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)


def _rows(references: set[Reference]) -> Iterable[Credential]:
    """Return the credentials that are referenced, with their time of change and without their fields."""
    names, ids = [], []
    for _, text in references:
        try:
            ids.append(UUID(text))
        except ValueError:
            names.append(text)
    rows = Credential.objects.filter(workspace__in={workspace for workspace, _ in references})
    referenced = rows.filter(Q(name__in=names) | Q(pk__in=ids))
    return referenced.only("pk", "workspace_id", "name", "updated_at", "last_used_at").order_by()
