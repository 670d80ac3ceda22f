"""Cuts JSON values to a size in which they are kept for display. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_MEMBERS = 200
"""The most members of one list or object that are kept."""
_DEEPEST = 40


@dataclass(slots=True)
class Bounds:
    """How much of one value is kept. `cut` says whether something was left out."""

    characters: int
    """Of all texts and names together."""
    text: int
    """Of one text."""
    cut: bool = False

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return the value without what exceeds the bounds; a text that is cut ends with an ellipsis."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._members(value, depth)
        if isinstance(value, list | tuple):
            kept = list[Any]()
            for inner in value:
                if len(kept) >= MAX_MEMBERS or not self._has_room(depth):
                    self.cut = True
                    break
                kept.append(self.of(inner, depth + 1))
            return kept
        self.characters -= 8
        return value

    def _members(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            if len(kept) >= MAX_MEMBERS or not self._has_room(depth):
                self.cut = True
                break
            kept[self._text(str(name))] = self.of(inner, depth + 1)
        return kept

    def _has_room(self, depth: int) -> bool:
        return self.characters > 0 and depth < _DEEPEST

    def _text(self, text: str) -> str:
        room = max(0, min(self.text, self.characters))
        self.characters -= min(len(text), room) + 2
        if len(text) <= room:
            return text
        self.cut = True
        return text[:room] + "…"
