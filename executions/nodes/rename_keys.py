from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import re2  # linear time for every pattern: no catastrophic backtracking
from pydantic import Field

from executions.domain.binaries import BINARY, keeping_files
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.paths import FieldPath

MAX_KEY_LENGTH = 1000
PATTERN_MEMORY_BYTES = 1024 * 1024
_GROUP = re.compile(r"\\([0-9]{1,2}|\\)")


class RenamePattern(Parameters):
    pattern: str = Field(
        title="Pattern",
        description="A regular expression to find in each key (RE2: no lookaround, no backreferences).",
        min_length=1,
        max_length=500,
    )
    replacement: str = Field("", title="Replacement", description=r"\1 is the first group.", max_length=500)
    case_sensitive: bool = Field(True, title="Case-sensitive")


class RenameKeysParameters(Parameters):
    names: dict[FieldPath, FieldPath] = Field(
        {},
        title="Names",
        description="Old names and new names. An old name may be a path; its last part is renamed.",
        max_length=500,
    )
    patterns: list[RenamePattern] = Field(
        [], title="Patterns", description="Applied in order to the keys that are not in Names.", max_length=20
    )
    nested: bool = Field(False, title="Nested", description="Also apply patterns to the keys of nested objects.")


class RenameKeys(ItemNodeType[RenameKeysParameters]):
    type = "rename_keys"
    label = "Rename keys"
    description = "Renames fields, one by one or by regular expression."
    icon = "rename"
    category = "data"
    Parameters = RenameKeysParameters
    computes = True

    def opened(self, context: NodeContext[RenameKeysParameters]) -> AbstractContextManager[_Renaming]:
        parameters = context.parameters()
        patterns = [_compile(rename, index) for index, rename in enumerate(parameters.patterns)]
        return nullcontext(_Renaming(parameters, patterns))

    def run_item(self, context: NodeContext[RenameKeysParameters], index: int, item: Item) -> dict[str, Items]:
        renaming: _Renaming = context.shared
        try:
            if BINARY not in item:
                return {"main": [renaming.renamed(item, "")]}
            # Files stay where nodes look for them.
            fields = {name: value for name, value in item.items() if name != BINARY}
            return {"main": [keeping_files(renaming.renamed(fields, ""), item)]}
        except NodeError as error:
            raise NodeError(f"{error} (item {index}).") from None


def _compile(rename: RenamePattern, index: int) -> tuple[Any, Callable[[Any], str]]:
    """Return a compiled pattern and its replacement function. Raises NodeError that names the field."""
    options = re2.Options()
    options.case_sensitive, options.log_errors, options.max_mem = rename.case_sensitive, False, PATTERN_MEMORY_BYTES
    try:
        pattern = re2.compile(rename.pattern, options=options)
    except re2.error as error:
        message = error.args[0]
        message = message.decode(errors="replace") if isinstance(message, bytes) else message
        raise NodeError(f"parameters.patterns.{index}.pattern: {message}.") from None
    for group in _GROUP.findall(rename.replacement):
        if group.isdecimal() and int(group) > pattern.groups:
            raise NodeError(f"parameters.patterns.{index}.replacement: the pattern has no group {group}.")

    def replacement(match: Any) -> str:
        return _GROUP.sub(
            lambda at: (match.group(int(at[1])) or "") if at[1].isdecimal() else at[1], rename.replacement
        )

    return pattern, replacement


class _Renaming:
    def __init__(self, parameters: RenameKeysParameters, patterns: list[tuple[Any, Callable[[Any], str]]]) -> None:
        self._names, self._patterns, self._nested = parameters.names, patterns, parameters.nested
        self._cache: dict[str, str] = {}
        self._paths = any("." in old for old in self._names)

    def renamed(self, value: dict[str, Any], prefix: str) -> dict[str, Any]:
        """Return an object with its keys renamed, in the same order. Raises NodeError if two keys get the same name."""
        out: dict[str, Any] = {}
        for key, inner in value.items():
            path = f"{prefix}{key}"
            if (name := self._names.get(path)) is None:
                name = self._by_pattern(key) if self._nested or not prefix else key
            if name in out:
                raise NodeError(f"Two keys would have the name {name!r}")
            out[name] = self._renamed_inside(inner, f"{path}.") if self._nested or self._paths else inner
        return out

    def _renamed_inside(self, value: Any, prefix: str) -> Any:
        if isinstance(value, dict):
            return self.renamed(value, prefix)
        if isinstance(value, list):
            return [self._renamed_inside(inner, f"{prefix}{index}.") for index, inner in enumerate(value)]
        return value

    def _by_pattern(self, key: str) -> str:
        if (cached := self._cache.get(key)) is not None:
            return cached
        name = key
        for pattern, replacement in self._patterns:
            if max(len(name), len(name := pattern.sub(replacement, name[:MAX_KEY_LENGTH]))) > MAX_KEY_LENGTH:
                raise NodeError(
                    f"parameters.patterns: a key is or would be longer than {MAX_KEY_LENGTH} characters, the limit"
                )
        self._cache[key] = name
        return name
