"""Credentials: the encrypted logins and keys of nodes, their OAuth 2.0 tokens, and the workflows that use them.

Other packages use the names below and `usage`; no other package decrypts a credential.
"""

from executions.credentials.host_binding import HostBinding
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
    "HostBinding",
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
