from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2  # linear in the text whatever the pattern: no catastrophic backtracking
from pydantic import Field

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.paths import FieldPath

MAX_KEY_LENGTH = 1000
PATTERN_MEMORY_BYTES = 1024 * 1024
_GROUP = re.compile(r"\\([0-9]{1,2}|\\)")


class RenamePattern(Parameters):
    pattern: str = Field(
        title="Pattern",
        description="A regular expression (RE2: no look-around, no back-references) that is looked for in each key.",
        min_length=1,
        max_length=500,
    )
    replacement: str = Field("", title="Replacement", description=r"\1 is the first group.", max_length=500)
    case_sensitive: bool = Field(True, title="Case-sensitive")


class RenameKeysParameters(Parameters):
    names: dict[FieldPath, FieldPath] = Field(
        {},
        title="Names",
        description="Old and new names. An old name may be a path: its last part gets the new name.",
        max_length=500,
    )
    patterns: list[RenamePattern] = Field(
        [], title="Patterns", description="Applied in turn to the keys that Names does not name.", max_length=20
    )
    nested: bool = Field(False, title="Nested", description="Whether patterns reach the keys of inner objects too.")


class RenameKeys(NodeType[RenameKeysParameters]):
    type = "rename_keys"
    label = "Rename keys"
    description = "Gives fields other names, one by one or by a regular expression."
    icon = "rename"
    category = "data"
    Parameters = RenameKeysParameters
    computes = True

    def run(self, context: NodeContext[RenameKeysParameters]) -> NodeResult:
        parameters = context.parameters()
        patterns = [_compiled(by, index) for index, by in enumerate(parameters.patterns)]
        renaming = _Renaming(parameters, patterns)
        out = []
        for index, item in enumerate(context.items):
            try:
                out.append(renaming.renamed(item, ""))
            except NodeError as error:
                raise NodeError(f"{error} (item {index}).") from None
        return NodeResult({"main": out})


def _compiled(by: RenamePattern, index: int) -> tuple[Any, Callable[[Any], str]]:
    """Return a pattern and what makes the new text of a match. Raises NodeError naming the field."""
    options = re2.Options()
    options.case_sensitive, options.log_errors, options.max_mem = by.case_sensitive, False, PATTERN_MEMORY_BYTES
    try:
        pattern = re2.compile(by.pattern, options=options)
    except re2.error as error:
        said = error.args[0]
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise NodeError(f"parameters.patterns.{index}.pattern: {said}.") from None
    for group in _GROUP.findall(by.replacement):
        if group.isdecimal() and int(group) > pattern.groups:
            raise NodeError(f"parameters.patterns.{index}.replacement: the pattern has no group {group}.")

    def replacement(match: Any) -> str:
        return _GROUP.sub(lambda at: (match.group(int(at[1])) or "") if at[1].isdecimal() else at[1], by.replacement)

    return pattern, replacement


class _Renaming:
    def __init__(self, parameters: RenameKeysParameters, patterns: list[tuple[Any, Callable[[Any], str]]]) -> None:
        self._names, self._patterns, self._nested = parameters.names, patterns, parameters.nested
        self._known: dict[str, str] = {}
        self._paths = any("." in old for old in self._names)

    def renamed(self, value: dict[str, Any], prefix: str) -> dict[str, Any]:
        """Return an object with its keys renamed, in their order. Raises NodeError if two come to the same name."""
        out: dict[str, Any] = {}
        for key, inner in value.items():
            path = f"{prefix}{key}"
            if (name := self._names.get(path)) is None:
                name = self._by_pattern(key) if self._nested or not prefix else key
            if name in out:
                raise NodeError(f"Two keys would be named {name!r}")
            out[name] = self._inside(inner, f"{path}.") if self._nested or self._paths else inner
        return out

    def _inside(self, value: Any, prefix: str) -> Any:
        if isinstance(value, dict):
            return self.renamed(value, prefix)
        if isinstance(value, list):
            return [self._inside(inner, f"{prefix}{index}.") for index, inner in enumerate(value)]
        return value

    def _by_pattern(self, key: str) -> str:
        if (known := self._known.get(key)) is not None:
            return known
        name = key
        for pattern, replacement in self._patterns:
            if max(len(name), len(name := pattern.sub(replacement, name[:MAX_KEY_LENGTH]))) > MAX_KEY_LENGTH:
                raise NodeError(f"parameters.patterns: a key is or would be longer than {MAX_KEY_LENGTH} characters")
        self._known[key] = name
        return name
