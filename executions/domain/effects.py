"""What a node does to the world outside of its execution. Pure."""

from __future__ import annotations

from typing import Literal

Effect = Literal["none", "reads", "writes", "sends", "waits"]
"""`none`: it only computes. `reads`: it asks another system. `writes`: it changes data in another system. `sends`: a
message leaves that cannot be taken back. `waits`: it waits for a time, a person or a call."""
Choice = Literal["run", "reuse", "skip"]
"""What a rerun does with a node: it runs, or its saved output is used, or its items pass it by."""
ACTS: frozenset[Effect] = frozenset({"writes", "sends"})
"""The effects that happen again when a node runs again."""
