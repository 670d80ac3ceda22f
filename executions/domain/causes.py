"""Causes of failures: errors of one workflow that differ only in numbers, ids and quoted texts have the same cause.

Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LENGTH = 16
"""Hexadecimal digits of a cause."""
MAX_MESSAGE = 500
TIMED_OUT = "TimedOut"
_READ = 2_000
"""The characters of a message that are looked at."""
_VARYING = (
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\"[^\"\n]{1,500}\"|“[^”\n]{1,500}”|`[^`\n]{1,500}`|(?<!\w)'[^'\n]{1,500}'(?!\w)"), "<text>"),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b"), "<email>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}\b"), "<id>"),
    (re.compile(r"\b(?=\w*[0-9]\w*[0-9])\w{16,}\b"), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class FailureCause:
    """Why an execution failed, without what differs from one failure to the next."""

    node: str
    type: str
    message: str

    def digest(self, workflow: str) -> str:
        """Return the id of the cause within a workflow: node ids belong to one workflow."""
        text = "\0".join((workflow, self.node, self.type, self.message))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def cause_of(error: Mapping[str, Any] | None) -> FailureCause:
    """Return the cause of an error as executions store it; None: the execution took too long."""
    if error is None:
        return FailureCause("", TIMED_OUT, "")
    return FailureCause(
        str(error.get("node") or ""), str(error.get("type") or ""), normalised(str(error.get("message") or ""))
    )


def normalised(message: str) -> str:
    """Return a message without its numbers, ids, addresses and quoted texts."""
    text = message[:_READ]
    for pattern, place in _VARYING:
        text = pattern.sub(place, text)
    return text.strip()[:MAX_MESSAGE]
