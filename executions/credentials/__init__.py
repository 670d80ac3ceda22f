"""Credentials: the encrypted logins and keys of nodes, their OAuth 2.0 tokens, and the workflows that use them.

Other packages use the functions below and `usage`; only this package decrypts a secret.
"""

from executions.credentials.store import (
    InUse,
    OpenCredential,
    create,
    delete,
    mark,
    open_for_node,
    opened,
    rotate,
    shown_fields,
    unknown,
    update,
)

__all__ = [
    "InUse",
    "OpenCredential",
    "create",
    "delete",
    "mark",
    "open_for_node",
    "opened",
    "rotate",
    "shown_fields",
    "unknown",
    "update",
]
