"""When two failures have the same cause: the same node, type and message, but for what differs each time. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

LENGTH = 300
"""The characters of a message that count."""
_VARIABLE = re.compile(
    r"https?://[^\s\"'<>]+"  # an address with ids
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\b[0-9a-f]{16,}\b"
    r"|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
    r"|(?<!status )(?<!\d)\d+(?:[.,:]\d+)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FailureCause:
    """What failures have in common."""

    node: str
    type: str
    message: str
    """With an ellipsis for numbers, ids, addresses and quoted texts; statuses stay."""

    @classmethod
    def of(cls, error: dict[str, Any] | None) -> FailureCause | None:
        """Return the cause of the error of an execution or a node run; None if there is none."""
        if not error:
            return None
        message = _VARIABLE.sub("…", str(error.get("message", ""))[: 4 * LENGTH])[:LENGTH]
        return cls(str(error.get("node") or ""), str(error.get("type") or ""), message)
