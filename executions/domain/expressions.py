"""JavaScript expressions, `{{ $json.name }}`, in QuickJS: no I/O; limits on time, memory and stack. No Django.

The variables are those of n8n: `$json`, `$input`, `$node["X"].json`, `$("X").first()`, `$("X").item`, `$items()`,
`$itemIndex`, `$execution`, `$workflow`, `$vars`, `$now`, `$today`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import quickjs

from executions.domain.error_texts import DEPTH_ERROR, explained
from executions.domain.exact_integers import AmbiguousInteger, KnownIntegers, has_large
from executions.domain.expression_ends import expressions_in
from executions.domain.expression_errors import ExpressionError as ExpressionError
from executions.domain.expression_errors import position_in
from executions.domain.extension_calls import extended
from executions.domain.items import Items, PackedItems
from executions.domain.javascript import prelude, source
from executions.domain.node_references import with_node_names
from executions.domain.pairing import PairingData, uses_pairing
from executions.domain.passed_on import passed_on
from executions.domain.plain_paths import NOT_PLAIN
from executions.domain.words import (
    LOADER,
    MISSING,
    Words,
    asks_about_nodes,
    may_give_promise,
    names_lists,
    without_escapes,
)
from workflow_platform.core import exact_json
from workflow_platform.core.sandbox import javascript

TIME_LIMIT_SECONDS = 1.0
MEMORY_LIMIT_BYTES = 128 * 1024 * 1024
STACK_LIMIT_BYTES = 512 * 1024
PENDING = "?"
"""The result of an expression or of code that is a promise; no JSON text."""
OUT_OF_TIME = "!InternalError: interrupted"
LOADING_SECONDS = 0.05
"""The CPU seconds for loading words that are not counted against a budget."""

PRELUDE = prelude()
ITEM_LISTS = source("item_lists")
"""The script of `$("X")`, `$input`, `$node` and `$items`."""

# For the worker's process. In a sandbox process the kernel stops endless code, and authors see line numbers in stacks.
_ENGINE_ERRORS = source("engine_errors")


@dataclass(slots=True)
class ExpressionScope:
    """The data that the expressions of one node run can read."""

    items: Items
    nodes: Mapping[str, Callable[[], Items]] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    workflow: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    surroundings: dict[str, Any] = field(default_factory=dict)
    """`timezone`; `about`: what `$runIndex`, `$prevNode`, `$("X").isExecuted` and others are, or a function that
    returns it for a source; `names`: the ids and names of the workflow's nodes, for errors."""
    pairings: Mapping[str, Callable[[], PairingData]] = field(default_factory=dict)
    """By node: its items that `items` came from."""

    def named_in(self, source: str) -> dict[str, Items]:
        """Return the outputs of the nodes that `source` may name, so that other large outputs are not loaded."""
        if "$" not in source:
            return {}
        text = without_escapes(source)
        return {name: items() for name, items in self.nodes.items() if name in text}

    def surroundings_in(self, source: str) -> dict[str, Any]:
        """Return what the words of `source` need of the surroundings, as JSON values."""
        needed = {"timezone": self.surroundings.get("timezone") or "UTC"}
        about = self.surroundings.get("about")
        if about is None or not asks_about_nodes(source):
            return needed
        return needed | {"about": about(without_escapes(source)) if callable(about) else about}

    def paired_in(self, source: str) -> dict[str, PairingData]:
        """Return what `$("X").item` and its kin read in `source`. Traced only if it may use them."""
        if "$" not in source or not uses_pairing(source):
            return {}
        text = without_escapes(source)
        return {name: pairing() for name, pairing in self.pairings.items() if name in text}


LINES_BEFORE = 1
"""The lines that `__function` puts before an expression."""


def _shortened(shown: str) -> str:
    return shown if len(shown) <= 200 else shown[:200] + "…"


def _json_of(value: Any) -> str:
    return (value.text() if isinstance(value, PackedItems) else orjson.dumps(value)).decode()


def first_line(error: BaseException | str) -> str:
    return str(error).strip().split("\n")[0]


def settled(context: quickjs.Context, result: Callable[[], str], time_limit: float) -> str:
    """Run the jobs of promises until none is left. Returns the awaited `result`: a text, or "!" and the error."""
    began = time.thread_time()
    while context.execute_pending_job():
        if time.thread_time() - began > time_limit:
            return OUT_OF_TIME
    text = str(result())
    return "!Error: the promise is never settled" if text == PENDING else text


class BudgetExceeded(Exception):
    """The evaluation exceeds the budget of a worker thread; it must run in a sandbox process."""


@dataclass(slots=True)
class Budget:
    """The time and memory that all expressions of one node run may use in a worker thread."""

    cpu_seconds: float = 0.02
    bytes: int = 64 * 1024
    """Bytes of JSON passed to QuickJS."""
    memory_bytes: int = 16 * 1024 * 1024

    def spend(self, cpu_seconds: float = 0, bytes: int = 0) -> None:
        """Deduct usage. Raises BudgetExceeded if nothing is left."""
        self.cpu_seconds -= cpu_seconds
        self.bytes -= bytes
        if self.cpu_seconds <= 0 or self.bytes < 0:
            raise BudgetExceeded(BudgetExceeded.__doc__)


class Resolver(Protocol):
    """Evaluates the expressions of one node run."""

    scope: ExpressionScope

    def resolve(self, value: Any, item_index: int = 0) -> Any:
        """Return `value` with every expression in it evaluated for one item. Raises ExpressionError."""


class Evaluator:
    """Evaluates expressions in QuickJS. Bound to the thread that first uses it; the context is created on first use."""

    def __init__(
        self,
        scope: ExpressionScope,
        time_limit: float = TIME_LIMIT_SECONDS,
        memory_limit: int = MEMORY_LIMIT_BYTES,
        budget: Budget | None = None,
    ) -> None:
        """The limits apply to one evaluation. With a `budget`, exceeding it raises BudgetExceeded."""
        self.scope = scope
        self._time_limit = time_limit
        self._memory_limit = min(memory_limit, budget.memory_bytes) if budget else memory_limit
        self._budget = budget
        self._context: quickjs.Context | None = None
        self._has_lists = False
        self._known: set[str] = set()
        self._integers: tuple[int, KnownIntegers] | None = None
        """The number of nodes whose outputs were read, and the integers of what was read."""
        self._paired: set[str] = set()
        self._functions: dict[str, Any] = {}
        self._asked = ""
        """The sources that ask about nodes."""
        self._words = Words(scope.surroundings.get("timezone") or "UTC")
        self._loader: Any = None
        self._loading_seconds = LOADING_SECONDS
        self._places: dict[str, list[tuple[int, int]]] = {}

    def resolve(self, value: Any, item_index: int = 0) -> Any:
        """Return `value` with every expression in it evaluated for one item.

        A string that is a single expression keeps the type of the result. Raises ExpressionError, BudgetExceeded.
        """
        if isinstance(value, str):
            return self._resolve_string(value, item_index) if "{{" in value else value
        if isinstance(value, dict):
            return {key: self._resolve_part(key, inner, item_index) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._resolve_part(key, inner, item_index) for key, inner in enumerate(value)]
        return value

    def _resolve_part(self, key: str | int, value: Any, item_index: int) -> Any:
        try:
            return self.resolve(value, item_index)
        except ExpressionError as error:
            error.path.insert(0, key)
            raise

    def _resolve_string(self, template: str, item_index: int) -> Any:
        if (places := self._places.get(template)) is None:
            places = self._places[template] = expressions_in(template)
        if len(places) == 1:
            begin, end = places[0]
            if not template[:begin].strip() and not template[end:].strip():
                return self._evaluate(template[begin:end], template, item_index)
        texts, at = list[str](), 0
        for begin, end in places:
            value = self._evaluate(template[begin:end], template[begin:end], item_index)
            shown = value if isinstance(value, str) else "" if value is None else exact_json.javascript_text(value)
            texts += [template[at:begin], shown]
            at = end
        return "".join([*texts, template[at:]])

    def _evaluate(self, expression: str, shown: str, item_index: int) -> Any:
        """Return the value of an expression, given with its braces."""
        try:
            return self._run(f"(\n{expression[2:-2]}\n)", shown, item_index)
        except ExpressionError as error:
            error.name(expression)
            raise

    def _run(self, source: str, shown: str, item_index: int) -> Any:
        packed_allowed = self._budget is None
        if (value := passed_on(source[2:-2], self.scope, item_index, parse=packed_allowed)) is not NOT_PLAIN:
            return self._copied(value)
        began = time.thread_time()
        try:
            function = self._functions.get(source)
            if function is None:
                function = self._compile(source)
                if isinstance(function, str):
                    raise self._failure(function[1:], shown, source)
                self._functions[source] = function
            text = self._settled(str(function(item_index)))
            while (text.startswith("!") or "catch" in source) and self._add_missing():
                self._spend(cpu_seconds=time.thread_time() - began)
                began = time.thread_time()
                text = self._settled(str(function(item_index)))
            if text.startswith("!"):
                raise self._failure(text[1:], shown, source)
            value = exact_json.read(text)
            return self._exact(value, source, item_index) if has_large(text) else value
        except quickjs.JSException as error:
            raise self._failure(str(error), shown, source) from None
        except MemoryError:
            raise self._failure("out of memory", shown) from None
        except AmbiguousInteger as error:
            raise ExpressionError(f"{_shortened(shown)}: {error}.") from None
        except UnicodeDecodeError:
            raise ExpressionError(f"{shown}: the error has a text that is not Unicode.") from None
        except (exact_json.NotJson, TypeError) as error:
            too_deep = str(error).startswith("depth limit")
            problem = DEPTH_ERROR if too_deep else f"the result is not a JSON value ({error})"
            raise ExpressionError(f"{_shortened(shown)}: {problem}.") from None
        finally:
            self._spend(cpu_seconds=time.thread_time() - began)

    def _exact(self, value: Any, source: str, item_index: int) -> Any:
        """Return the value, with the integers beyond 2^53 that JavaScript only passed on. Raises AmbiguousInteger."""
        items = self.scope.items
        item = items[item_index] if item_index < len(items) else None
        if not names_lists(source):
            return KnownIntegers(map(_json_of, [item, self.scope.vars])).restored(value, item)
        if self._integers is None or self._integers[0] != len(self._known):
            given = [items, self.scope.vars, *(self.scope.nodes[name]() for name in self._known)]
            self._integers = len(self._known), KnownIntegers(map(_json_of, given))
        return self._integers[1].restored(value, item)

    def _settled(self, text: str) -> str:
        """Return what came of a promise if `text` says that there is one; else the text."""
        if text != PENDING:
            return text
        assert self._context is not None
        limit = min(self._time_limit, self._budget.cpu_seconds) if self._budget else self._time_limit
        text = settled(self._context, self._context.get("__settled"), limit)
        if text == OUT_OF_TIME:
            self._forget_context()  # its endless jobs would run again with the next promise
        return text

    def _forget_context(self) -> None:
        self._context, self._loader, self._asked, self._has_lists = None, None, "", False
        self._words = Words(self.scope.surroundings.get("timezone") or "UTC")
        self._known.clear()
        self._paired.clear()
        self._functions.clear()

    def _copied(self, value: Any) -> Any:
        """Return the value, so that no node changes it in the item that it is from."""
        if not isinstance(value, dict | list):
            return value
        text = orjson.dumps(value)
        self._spend(bytes=len(text))
        return orjson.loads(text)

    def _spend(self, cpu_seconds: float = 0, bytes: int = 0) -> None:
        if self._budget is None:
            return
        self._budget.spend(cpu_seconds, bytes)
        if self._context is not None:
            # QuickJS counts the CPU time of the whole process. Stopping early only moves the work to a sandbox process.
            self._context.set_time_limit(min(self._time_limit, self._budget.cpu_seconds))

    def _failure(self, error: str, shown: str, source: str = "") -> Exception:
        """Return the exception for an error of QuickJS, whose stack says where in `source` it happened."""
        shown, message = _shortened(shown), first_line(error)
        timed_out = "interrupted" in message
        if not timed_out and "out of memory" not in message and message not in {"null", ""}:
            message = explained(error, extended(source), LINES_BEFORE) if source else message
            message = with_node_names(message, self.scope.surroundings.get("names"))
            return ExpressionError(f"{shown}: {message}", "", *position_in(error, source))
        if self._budget is not None:
            return BudgetExceeded(BudgetExceeded.__doc__)
        limit = f"{self._time_limit:g} s" if timed_out else f"{self._memory_limit // 2**20} MiB"
        return ExpressionError(f"{shown} {'took longer than' if timed_out else 'needs more than'} {limit}.")

    def _compile(self, source: str) -> Any:
        """Compile `source` once for all items. Returns a function from an item's index to JSON text, or an error.

        The time limit restarts with each call. An error, here or from the function, is a text that begins with "!".
        """
        context = self._ensure_context()
        if not self._has_lists and names_lists(source):
            self._has_lists = True
            context.eval(ITEM_LISTS)
        if asks_about_nodes(source):
            self._asked += source
            self._assign("__about", self.scope.surroundings_in(self._asked).get("about", {"nodes": {}}))
        if uses_pairing(source):
            self._pair(source)
        source = extended(source)
        began = time.thread_time()
        self._load(self._words.needed_by(source), began)
        for name, items in self.scope.named_in(source).items():
            if name not in self._known:
                self._known.add(name)
                self._assign("__given", items)
                context.eval(f"__names[{json.dumps(name)}] = __given; __given = undefined;")
        return context.get("__promised" if may_give_promise(source) else "__function")(source)

    def _pair(self, source: str) -> None:
        """Assign what `$("X").item` and its kin read."""
        pairings = {name: made for name, made in self.scope.paired_in(source).items() if name not in self._paired}
        if pairings:
            self._paired.update(pairings)
            self._assign("__given", pairings)
            self._ensure_context().eval("Object.assign(__pairs, __given); __given = undefined;")

    def _load(self, scripts: list[str], began: float) -> str:
        """Run scripts of ours, which share functions. Returns the result of the last. Raises BudgetExceeded.

        The CPU time since `began` is not counted against the budget.
        """
        if not scripts:
            return ""
        result = ""
        if self._loader is None:
            self._loader = self._ensure_context().eval(LOADER)
        for script in scripts:
            result = str(self._loader(script))
            if result.startswith("!"):
                raise self._failure(result[1:], "The words of dates and others")
        if self._budget is not None:
            # The budget is for what authors wrote. What is added is limited: expressions can slow scripts down.
            used = min(time.thread_time() - began, self._loading_seconds)
            self._loading_seconds -= used
            self._budget.cpu_seconds += used
        return result

    def _add_missing(self) -> bool:
        """Load the time zones and locales that the last evaluation lacked. Returns whether there were any."""
        if not self._words.may_miss:
            return False
        report = self._load([MISSING], time.thread_time())
        began = time.thread_time()
        scripts = self._words.missing(report)
        self._load(scripts, began)
        return bool(scripts)

    def _ensure_context(self) -> quickjs.Context:
        context = self._context
        if context is None:
            context = self._context = javascript.context(
                seconds=self._time_limit, memory_bytes=self._memory_limit, stack_bytes=STACK_LIMIT_BYTES
            )
            context.eval(PRELUDE + _ENGINE_ERRORS)
            self._assign("__items", self.scope.items)
            for word in ("execution", "workflow", "vars"):
                self._assign(f"${word}", getattr(self.scope, word))
            self._spend()
        return context

    def _assign(self, name: str, value: Any) -> None:
        assert self._context is not None
        text = _json_of(value)
        self._spend(bytes=len(text))
        try:
            # Parsed as JSON and not as source: ten times faster, and `__proto__` is an ordinary field.
            self._context.set(name, self._context.parse_json(text))
        except (quickjs.JSException, MemoryError) as error:
            if self._budget is not None:
                raise BudgetExceeded(BudgetExceeded.__doc__) from None
            limit = f"{self._memory_limit // 2**20} MiB"
            raise ExpressionError(
                f"The items do not fit the memory limit of expressions ({limit}): {first_line(error)}"
            ) from None
