"""Whether the credentials that a node names are of the type that it takes."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from executions.models import Credential


def of_other_types(named: Iterable[tuple[str, str]], workspace: UUID, wanted: str) -> list[tuple[str, str, str]]:
    """Return (path, code, message) for each (field, name or id) of a credential of another type than `wanted`. One that
    the workspace does not have is left to the check that finds those."""
    there = Credential.objects.filter(workspace=workspace)
    found = [(field, there.called(name).values_list("type", flat=True).first()) for field, name in named]
    return [
        (field, "credential_type", f"A credential of the type {wanted} is needed, not {type_}.")
        for field, type_ in found
        if type_ not in {None, wanted}
    ]
