"""Which fields of their items nodes read, as far as their texts tell. Pure.

On the safe side: what is not certainly a path into `$json` counts as reading everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from executions.domain.expression_ends import Token, expressions_in, is_left_open, tokens_of
from executions.domain.node_references import named_in_template
from executions.domain.words import without_escapes

Path = tuple[str, ...]
HARMLESS = frozenset({"$vars", "$execution", "$workflow", "$now", "$today"})
"""Words of expressions that read no item."""
_REFLECTS = frozenset(
    {"this", "eval", "Function", "globalThis", "arguments", "with", "require", "import", "constructor"}
)
_NAMES_NODES = ("$(", "$node", "$items")


def paths_read(parameters: Any) -> set[Path] | None:
    """Return the paths into `$json` that expressions anywhere in parameters read; None if they may read everything."""
    found: set[Path] = set()
    for text in texts_in(parameters):
        places = expressions_in(text)
        if is_left_open(text, places) or "$" in _outside(text, places):
            return None
        for begin, end in places:
            paths = _of_expression(text[begin + 2 : end - 2])
            if paths is None:
                return None
            found |= paths
    return found


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, also the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name)
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


def names_nodes(value: Any) -> set[str] | None:
    """Return the names of nodes that a JSON value reads from; None if a name is not literal or the text is code."""
    named: set[str] = set()
    for text in texts_in(value):
        mentions = sum("".join(text.split()).count(word) for word in _NAMES_NODES)
        if mentions:
            literal = named_in_template(text)
            if len(literal) != mentions:
                return None
            named.update(literal)
    return named


def is_read(path: Path, read: set[Path]) -> bool:
    """Return whether reading some of `read` touches the value at `path`: it, what holds it, or what is in it."""
    return any(path[: len(each)] == each[: len(path)] for each in read)


def _outside(text: str, places: list[tuple[int, int]]) -> str:
    ends = [0, *(end for _, end in places)]
    begins = [*(begin for begin, _ in places), len(text)]
    return "".join(text[end:begin] for end, begin in zip(ends, begins, strict=True))


def _of_expression(code: str) -> set[Path] | None:
    tokens = tokens_of(code)
    if tokens is None:
        return None
    found: set[Path] = set()
    for at, token in enumerate(tokens):
        if token.kind in {"string", "template", "regex"} and "$" in token.text:
            return None
        if token.kind != "word":
            if token.text == "\\" or ("$" in token.text and token.kind not in {"`", "}"}):
                return None
            continue
        if token.text == "$json" and (at == 0 or tokens[at - 1].kind != "."):
            path = _path(tokens, at + 1)
            if not path:
                return None
            found.add(path)
        elif token.text in _REFLECTS or ("$" in token.text and token.text not in HARMLESS):
            return None
    return found


def _path(tokens: list[Token], at: int) -> Path:
    """Return the names that follow `$json`, as far as they are literal; empty if the first one is not."""
    path: list[str] = []
    while at < len(tokens):
        kinds = [token.kind for token in tokens[at : at + 4]]
        if kinds[:2] == ["?", "."]:
            at, kinds = at + 1, kinds[1:]
        if kinds[:2] == [".", "word"]:
            path.append(tokens[at + 1].text)
            at += 2
        elif kinds[0] in {".", "["} and "string" in kinds[1:3] and "]" in kinds[2:4]:
            skipped = at + (2 if kinds[0] == "." else 1)
            path.append(without_escapes(tokens[skipped].text[1:-1]))
            at = skipped + 2
        else:
            break
    return tuple(path)
