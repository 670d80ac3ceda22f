"""Checks that the credentials of a node have the required type."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from executions.models import Credential


def wrong_types(
    references: Iterable[tuple[str, str]], workspace: UUID, required_type: str
) -> list[tuple[str, str, str]]:
    """Return (path, code, message) for each (field, name or id) of a credential that is not of the required type.
    Missing credentials are reported by another check."""
    credentials = Credential.objects.filter(workspace=workspace)
    types = [(field, credentials.called(name).values_list("type", flat=True).first()) for field, name in references]
    return [
        (field, "credential_type", f"This field needs a credential of the type {required_type}, not {type_}.")
        for field, type_ in types
        if type_ not in {None, required_type}
    ]
