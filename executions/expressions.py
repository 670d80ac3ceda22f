"""JavaScript expressions, `{{ $json.name }}`, in QuickJS: no I/O; limits on time, memory and stack. No Django.

The words are those that n8n users know: `$json`, `$input`, `$node["X"].json`, `$("X").first()`, `$items()`,
`$itemIndex`, `$execution`, `$workflow`, `$vars`, `$now`, `$today`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
import quickjs

TIME_LIMIT_SECONDS = 1.0
MEMORY_LIMIT_BYTES = 64 * 1024 * 1024
STACK_LIMIT_BYTES = 512 * 1024
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

_PRELUDE = """
var __names = {}, __items = [], __index = 0;
function __wrap(item) { return { json: item }; }
function __list(items) {
  return {
    all: function () { return items.map(__wrap); },
    first: function () { return items.length ? __wrap(items[0]) : undefined; },
    last: function () { return items.length ? __wrap(items[items.length - 1]) : undefined; },
    get item() { return items.length ? __wrap(items[Math.min(__index, items.length - 1)]) : undefined; },
    get json() { return items.length ? items[Math.min(__index, items.length - 1)] : undefined; },
  };
}
function $(name) {
  if (!(name in __names)) { throw new ReferenceError("no node " + JSON.stringify(name) + " has run yet"); }
  return __list(__names[name]);
}
var $node = new Proxy({}, { get: function (_, name) { return $(name); } });
function $items(name) { return name === undefined ? __items.map(__wrap) : $(name).all(); }
Object.defineProperty(globalThis, "$input", { get: function () { return __list(__items); } });
Object.defineProperty(globalThis, "$json", { get: function () { return __items[__index]; } });
Object.defineProperty(globalThis, "$itemIndex", { get: function () { return __index; } });
Object.defineProperty(globalThis, "$now", { get: function () { return new Date(); } });
Object.defineProperty(globalThis, "$today", {
  get: function () { var d = new Date(); d.setUTCHours(0, 0, 0, 0); return d; } });
function __json(value) {
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") {
    throw new TypeError("a " + typeof value + " is not a JSON value");
  }
  var text = JSON.stringify(value);
  return text === undefined ? "null" : text;
}
"""


class ExpressionError(Exception):
    """An expression or code did not give a value; the message says why."""


@dataclass(slots=True)
class Scope:
    """What expressions of one node run can see."""

    items: list[dict[str, Any]]
    nodes: Mapping[str, Callable[[], list[dict[str, Any]]]] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    workflow: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)

    def named_in(self, source: str) -> dict[str, list[dict[str, Any]]]:
        """Return the outputs of those nodes that `source` may name."""
        if "$" not in source:
            return {}
        return {name: items() for name, items in self.nodes.items() if name in source}


@lru_cache(maxsize=4096)
def check_syntax(template: str) -> str | None:
    """Return what is wrong with the expressions in `template`, or None."""
    for match in _EXPRESSION.finditer(template):
        if not match.group(1).strip():
            return "The expression {{ }} is empty."
        if (said := check_code(f"return (\n{match.group(1)}\n);")) is not None:
            return f"The expression {match.group(0)} does not parse: {said}"
    if template.count("{{") != len(_EXPRESSION.findall(template)):
        return "An expression is opened with {{ and not closed."
    return None


def check_code(code: str) -> str | None:
    """Return why `code` is no function body, or None. Nothing of it runs."""
    context = quickjs.Context()
    try:
        context.eval(f"(function () {{ new Function({json.dumps(code)}); }})()")
    except quickjs.JSException as error:
        return _first_line(error)
    return None


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]


class Evaluator:
    """Evaluates the expressions of one node run. Belongs to the thread that first uses it; made on first need."""

    def __init__(
        self, scope: Scope, time_limit: float = TIME_LIMIT_SECONDS, memory_limit: int = MEMORY_LIMIT_BYTES
    ) -> None:
        self.scope = scope
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        self._context: quickjs.Context | None = None
        self._known: set[str] = set()

    def with_limits(self, *, time_limit: float) -> Evaluator:
        """Return another evaluator over the same scope, with its own time limit in CPU seconds."""
        return Evaluator(self.scope, time_limit, self._memory_limit)

    def resolve(self, value: Any, item_index: int = 0) -> Any:
        """Return `value` with every expression in it evaluated for one item.

        A string that is one expression keeps the value's type. Raises ExpressionError.
        """
        if isinstance(value, str):
            return self._resolve_string(value, item_index) if "{{" in value else value
        if isinstance(value, dict):
            return {key: self.resolve(inner, item_index) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner, item_index) for inner in value]
        return value

    def run_code(self, code: str, item_index: int = 0) -> Any:
        """Run a function body for one item and return what it returns, as a JSON value. Raises ExpressionError."""
        return self._evaluate(f"(function () {{\n{code}\n}})()", code, item_index)

    def _resolve_string(self, template: str, item_index: int) -> Any:
        whole = _EXPRESSION.fullmatch(template.strip())
        if whole and "}}" not in whole.group(1):
            return self._evaluate(f"(\n{whole.group(1)}\n)", template, item_index)

        def text(match: re.Match[str]) -> str:
            value = self._evaluate(f"(\n{match.group(1)}\n)", match.group(0), item_index)
            return value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()

        return _EXPRESSION.sub(text, template)

    def _evaluate(self, source: str, shown: str, item_index: int) -> Any:
        context = self._ready(shown)
        shown = shown if len(shown) <= 200 else shown[:200] + "…"
        try:
            context.set_time_limit(self._time_limit)
            return orjson.loads(context.eval(f"__index = {item_index:d}; __json({source})"))
        except quickjs.JSException as error:
            raise ExpressionError(self._explain(error, shown)) from None
        except (orjson.JSONDecodeError, MemoryError, TypeError) as error:
            raise ExpressionError(f"{shown}: the result is not a JSON value ({error}).") from None

    def _explain(self, error: quickjs.JSException, shown: str) -> str:
        said = _first_line(error)
        if "interrupted" in said:
            return f"{shown} took longer than {self._time_limit:g} s."
        if "out of memory" in said or said in {"null", ""}:
            return f"{shown} needs more than {self._memory_limit // 2**20} MiB."
        return f"{shown}: {said}"

    def _ready(self, source: str) -> quickjs.Context:
        """Return the context, with the nodes that `source` may name loaded."""
        context = self._context
        if context is None:
            context = self._context = quickjs.Context()
            context.set_memory_limit(self._memory_limit)
            context.set_max_stack_size(STACK_LIMIT_BYTES)
            context.eval(_PRELUDE)
            self._assign("__items", self.scope.items)
            for word in ("execution", "workflow", "vars"):
                self._assign(f"${word}", getattr(self.scope, word))
        if "$" in source:
            for name, items in self.scope.nodes.items():
                if name not in self._known and name in source:
                    self._known.add(name)
                    self._assign(f"__names[{json.dumps(name)}]", items())
        return context

    def _assign(self, target: str, value: Any) -> None:
        assert self._context is not None
        try:
            self._context.eval(f"{target} = {orjson.dumps(value).decode()}; 0")
        except quickjs.JSException as error:
            raise ExpressionError(f"The items do not fit an expression's memory: {_first_line(error)}") from None
