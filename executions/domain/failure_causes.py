"""When two failures have the same cause: the same node, type and message, but for what differs each time. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LENGTH = 300
"""The characters of a message that count."""
ID_LENGTH = 16
"""The hexadecimal digits of the id of a cause."""
TIMED_OUT = "TimedOut"
_VARIABLE = re.compile(
    r"https?://[^\s\"'<>]+"  # an address with ids
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"  # a mailbox
    r"|\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b|\b[0-9a-f]{16,}\b"
    r"|\b(?=\w{0,64}\d\w{0,64}\d)\w{16,128}\b"  # a token
    r"|\"(?:[^\"\\]|\\.)*\"|(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)"
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
    def of(cls, error: Mapping[str, Any] | None) -> FailureCause | None:
        """Return the cause of the error of an execution or a node run; None if there is none."""
        if not error:
            return None
        message = _VARIABLE.sub("…", str(error.get("message", ""))[: 4 * LENGTH])[:LENGTH]
        return cls(str(error.get("node") or ""), str(error.get("type") or ""), message)

    @classmethod
    def of_end(cls, error: Mapping[str, Any] | None) -> FailureCause:
        """Return the cause of an execution that failed with this error or, without one, took too long."""
        return cls.of(error) or cls("", TIMED_OUT, "")

    def id_in(self, workflow: str) -> str:
        """Return the id of the cause within a workflow: node ids belong to one workflow."""
        text = "\0".join((workflow, self.node, self.type, self.message))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_LENGTH]
