"""What callers of webhooks prove to know: credentials, opened once and kept until they change.

For each group of requests the database is asked which of the credentials are still what they were, which costs one
look at an index for all of them: a credential that was changed or taken away counts from the next request on, in every
process.
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

MOST_KEPT = 1_000

Reference = tuple[UUID, str]
"""A workspace, and the name or id of one of its credentials."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential's type and fields; `problem` says why there are none."""

    type: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    changed_at: datetime
    opened: Opened


class HookSecrets:
    """The opened credentials of one process. For one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()

    def look_up(self, wanted: Iterable[Reference]) -> dict[Reference, Opened]:
        """Return each of the credentials, as it is now."""
        references = set(wanted)
        if not references:
            return {}
        found = {}
        rows = list(_rows(references))
        self._open({row.pk for row in rows if not self._is_current(row)})
        by_name = {(row.workspace_id, row.name): row for row in rows}
        by_id = {(row.workspace_id, str(row.pk)): row for row in rows}
        for reference in references:
            row = by_id.get(reference) or by_name.get(reference)
            kept = None if row is None else self._kept.get(row.pk)
            if kept is None:
                found[reference] = Opened(problem=f"There is no credential {reference[1]!r} in the workspace any more.")
                continue
            assert row is not None
            note_use(row)
            self._kept.move_to_end(row.pk)
            found[reference] = kept.opened
        return found

    def _is_current(self, row: Credential) -> bool:
        kept = self._kept.get(row.pk)
        return kept is not None and kept.changed_at == row.updated_at

    def _open(self, ids: set[UUID]) -> None:
        for credential in ids:
            self._kept.pop(credential, None)
        for row in Credential.objects.filter(pk__in=ids) if ids else ():
            try:
                opened = Opened(row.type, credentials.opened(row).fields.model_dump())
            except NodeError as error:
                opened = Opened(row.type, problem=str(error))
            self._kept[row.pk] = _Kept(row.updated_at, opened)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _rows(references: set[Reference]) -> Iterable[Credential]:
    """Return what tells one state of a credential from another, of all that are named, without what they hold."""
    names, ids = [], []
    for _, text in references:
        try:
            ids.append(UUID(text))
        except ValueError:
            names.append(text)
    there = Credential.objects.filter(workspace__in={workspace for workspace, _ in references})
    named = there.filter(Q(name__in=names) | Q(pk__in=ids))
    return named.only("pk", "workspace_id", "name", "updated_at", "last_used_at").order_by()
