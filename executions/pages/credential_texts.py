"""The credential types with their texts in the language of the page."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from executions.domain import credential_types

_SHOWN = ("title", "description")


def described() -> list[dict[str, Any]]:
    """Return the types as `/api/credential-types/` shows them, with translated labels, titles and descriptions."""
    return [
        kind
        | {
            "label": text(kind["label"]),
            "description": text(kind["description"]),
            "schema": kind["schema"] | {"properties": _fields(kind["schema"]["properties"])},
        }
        for kind in credential_types.describe()
    ]


def text(english: str) -> str:
    """Return a text of a credential type in the language of the page."""
    return gettext(english) if english else ""


def _fields(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: schema | {key: text(schema[key]) for key in _SHOWN if key in schema} for name, schema in fields.items()
    }
