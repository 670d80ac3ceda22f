"""Runs code in a new QuickJS context: limits, log lines, and the position of errors. No Django.

A new context for each run (0.1 ms) separates the globals of workspaces.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
import quickjs

from executions.domain.error_texts import explained
from executions.domain.exact_integers import AmbiguousInteger, KnownIntegers, has_large
from executions.domain.expressions import ITEM_LISTS, PENDING, PRELUDE, STACK_LIMIT_BYTES, first_line, settled
from executions.domain.items import PACKED_BYTES, Item, NotStorable, chunks_of, sample_of
from executions.domain.javascript import source
from executions.domain.lineage import MAX_ORIGINS, Origins, limited
from executions.domain.words import (
    CUSTOM_DATA,
    LOADER,
    LOOK_FOR_LOCALES,
    MISSING,
    SET_CUSTOM_DATA,
    STATIC_DATA,
    USED_STATIC_DATA,
    Words,
    uses_await,
    uses_static_data,
)
from executions.sandbox.code_items import NotItems, items_of, origins_of
from workflow_platform.core import exact_json
from workflow_platform.core.sandbox import javascript

Kind = Literal["", "code", "time", "memory", "output", "items"]

LEVELS = ("debug", "info", "warning", "error")
LOG_LINES = 100
LOG_CHARACTERS = 2_000
ERROR_CHARACTERS = 2_000
LINES_BEFORE = 200
"""Empty lines before the user's code. Higher line numbers in a stack are the user's."""
_STATE_SECONDS = 0.5
MOST_RUNS = 5
"""How often code is run again because it used time zones or locales that were not loaded."""
_SPARE_BYTES = 32 * 2**20
_FRAME = re.compile(r"<input>:(\d+)(?::\d+)?")

# The state is in a closure: code can change the globals, but not the reported state.
_DRIVER = source("code_driver")


@dataclass(slots=True)
class EvaluationOutcome:
    """The result of a run: a JSON text, or an error and its kind. `logs` are pairs of level and message."""

    text: str = "null"
    kind: Kind = ""
    error: str = ""
    line: int = 0
    """The line of the code that raised the error, from 1; 0 if unknown."""
    item: int = -1
    """The item that the code last ran for, in mode `each`."""
    logs: list[tuple[str, str]] = field(default_factory=list)
    dropped: int = 0
    origins: list[int | None] = field(default_factory=list)
    """For each item that the code returned, the index of the input item that it is; None: it is none."""
    failures: list[tuple[int, str, int]] = field(default_factory=list)
    """The items that failed, if the code goes on after errors: index, error, and line of the code or 0."""
    static_data: dict[str, Any] = field(default_factory=dict)
    """The static data that the code read, `global` and `node`, as it left it."""
    custom_data: dict[str, Any] = field(default_factory=dict)
    """What the code set in `$execution.customData`."""


@dataclass(slots=True)
class Request:
    """Code and its variables. `words` and `nodes` are JSON texts, which QuickJS parses."""

    code: str
    items: int
    """The number of input items."""
    each: int
    """The number of items that the code runs for; -1: once for all items."""
    tolerant: bool
    """Whether the code goes on after an item that fails, in mode `each`."""
    time_limit: float
    """CPU seconds for everything."""
    memory_limit: int
    output_limit: int
    words: dict[str, str]
    nodes: dict[str, str]
    surroundings: dict[str, Any] = field(default_factory=dict)
    all_zones: bool = False
    """Whether to load all time zones, not only those that the code names."""
    locales: list[str] = field(default_factory=list)
    """Locales to load although the code does not name them."""
    looks_for_locales: bool = True
    """Whether another locale stands in for one that is not loaded. The result of such a run must be dropped."""

    def further(self, words: Words) -> list[str]:
        """Return the scripts of what the code does not name."""
        return (words.all_zones() if self.all_zones else []) + words.locales(self.locales)


class Evaluation:
    """A context for exactly one run."""

    def __init__(self) -> None:
        self._load_script: Any = None
        self._may_miss = False
        self._context = javascript.context(
            seconds=_STATE_SECONDS, memory_bytes=_SPARE_BYTES, stack_bytes=STACK_LIMIT_BYTES
        )
        self._context.eval(PRELUDE + ITEM_LISTS)
        self._context.eval(_DRIVER)(LOG_LINES, LOG_CHARACTERS)
        self._run, self._state = self._context.get("__run"), self._context.get("__state")
        self._result = self._context.get("__result")
        self._context.eval("delete globalThis.__run; delete globalThis.__state; delete globalThis.__result;")

    def run(self, request: Request) -> EvaluationOutcome:
        """Run the code. Errors are in the outcome; nothing is raised."""
        outcome = EvaluationOutcome()
        try:
            self._context.set_memory_limit(request.memory_limit)
            self._context.set_time_limit(request.time_limit)
            self._load(request)
            self._context.set_time_limit(request.time_limit)  # counts from here
            # On the first line, so that the lines of the stack are those of the user, counted from LINES_BEFORE.
            kind = "async function" if uses_await(request.code) else "function"
            body = self._context.eval("\n" * LINES_BEFORE + f"({kind} () {{{request.code}\n}})")
            began = time.process_time()
            result = self._run(body, request.each, request.output_limit, request.tolerant)
            if result == PENDING:
                result = settled(self._context, self._result, began + request.time_limit - time.process_time())
            if time.process_time() - began > request.time_limit:
                outcome.kind = "time"  # in one long step, during which QuickJS does not check the time
            elif result.startswith("!"):
                self._explain(outcome, result[1:], request)
            elif result.startswith("#"):
                outcome.kind, outcome.error = "output", f"The code returned at least {result[1:]} bytes"
            else:
                outcome.text = result
                self._add_static_data(outcome, request)
                self._add_custom_data(outcome, request)
        except quickjs.JSException as error:
            self._explain(outcome, str(error), request)
        except MemoryError:
            outcome.kind = "memory"
        except UnicodeDecodeError:
            outcome.kind, outcome.error = "code", "The code threw a text that is not Unicode"
        self._add_state(outcome, request)
        if not outcome.kind:
            _make_exact(outcome, request)
        return outcome

    def _load(self, request: Request) -> None:
        words = Words(request.surroundings.get("timezone") or "UTC", for_code=True)
        has_files = '"$binary"' in request.words["__items"]
        if scripts := words.needed_by(request.code, has_files=has_files) + request.further(words):
            load = self._context.eval(LOADER)
            if request.looks_for_locales:
                load(LOOK_FOR_LOCALES)
            for script in scripts:
                load(script)
            self._load_script, self._may_miss = load, words.may_miss
        for word, text in request.words.items():
            self._context.set(word, self._context.parse_json(text))
        for name, text in request.nodes.items():
            self._context.set("__given", self._context.parse_json(text))
            self._context.eval(f"__names[{orjson.dumps(name).decode()}] = __given; __given = undefined;")

    def missed(self) -> list[tuple[str, str]]:
        """Return the time zones and locales that the run used and that were not loaded: pairs of kind and name."""
        if not self._may_miss:
            return []
        try:
            self._context.set_time_limit(_STATE_SECONDS)
            return [(str(kind), str(name)) for kind, name in orjson.loads(self._load_script(MISSING))]
        except (quickjs.JSException, MemoryError, ValueError, TypeError):
            return []  # code can break the report

    def _add_static_data(self, outcome: EvaluationOutcome, request: Request) -> None:
        """Add the static data that the code read, as it is now."""
        if STATIC_DATA not in request.words or not uses_static_data(request.code):
            return
        text = str(self._load_script(USED_STATIC_DATA))
        if text.startswith("!"):
            outcome.kind, outcome.error = "code", f"The static data is not JSON: {first_line(text[1:])}"
        else:
            outcome.static_data = exact_json.read(text)

    def _add_custom_data(self, outcome: EvaluationOutcome, request: Request) -> None:
        """Add what the code set in `$execution.customData`."""
        if CUSTOM_DATA in request.words:
            outcome.custom_data = orjson.loads(str(self._load_script(SET_CUSTOM_DATA)))

    def _explain(self, outcome: EvaluationOutcome, error: str, request: Request) -> None:
        message = first_line(error)
        if message == "InternalError: interrupted":
            outcome.kind = "time"
        elif message == "InternalError: out of memory" or message in {"null", ""}:
            outcome.kind = "memory"
        else:
            outcome.kind, outcome.error = "code", _explained(error, request.code)
        outcome.line = _line(error, request.code)

    def _add_state(self, outcome: EvaluationOutcome, request: Request) -> None:
        """Add the log lines and the last item."""
        try:
            self._context.set_memory_limit(request.memory_limit + _SPARE_BYTES)
            self._context.set_time_limit(_STATE_SECONDS)
            state: dict[str, Any] = orjson.loads(self._state())
            outcome.logs = [_log_line(level, message) for level, message in state["logs"][:LOG_LINES]]
            outcome.dropped, outcome.item = int(state["dropped"]), int(state["item"])
            outcome.origins = [each if type(each) is int else None for each in state["origins"][:MAX_ORIGINS]]
            outcome.failures = [
                (int(item), _explained(text, request.code) or "The item failed.", _line(text, request.code))
                for item, text in state["failures"][: max(0, request.each)]
            ]
        except (quickjs.JSException, MemoryError, ValueError, TypeError, KeyError):
            return  # code can define a `toJSON` that breaks the report


_ready: list[Evaluation] = []


def warm() -> None:
    """Create the context of the next run in advance."""
    if not _ready:
        _ready.append(Evaluation())


def run(parts: list[bytes]) -> list[bytes]:
    """Run the code of a `code.CodeCall.task`. Returns a JSON head and the JSON text that the code returned."""
    evaluation = _ready.pop() if _ready else Evaluation()
    request = _request(parts)
    outcome = evaluation.run(request)
    for more in reversed(range(MOST_RUNS)):
        if not (missed := evaluation.missed()):
            break
        # Items name zones or locales. Nothing has happened outside: run again with them.
        request.all_zones = request.all_zones or any(kind == "zone" for kind, _ in missed)
        request.locales += [name for kind, name in missed if kind == "locale"]
        request.looks_for_locales = more > 0
        evaluation = Evaluation()
        outcome = evaluation.run(request)
    text = outcome.text.encode()
    if len(text) > request.output_limit:
        text, outcome.kind, outcome.error = b"null", "output", f"The code returned {len(text)} bytes"
    counts, parts = None, [text]
    if not outcome.kind and len(text) > PACKED_BYTES:
        try:
            parts, counts, sample, origins = _packed(text, outcome.origins, request)
        except (NotItems, NotStorable) as error:
            outcome.kind, outcome.error = "items", str(error)
    head = {
        "kind": outcome.kind,
        "error": outcome.error,
        "line": outcome.line,
        "item": outcome.item,
        "logs": outcome.logs,
        "dropped": outcome.dropped,
        "failures": outcome.failures,
    }
    if counts is not None:
        head |= {"counts": counts, "sample": sample}
    if outcome.static_data:
        head["static_data"] = outcome.static_data
    if outcome.custom_data:
        head["custom_data"] = outcome.custom_data
    head["origins"] = outcome.origins if counts is None else origins
    return [orjson.dumps(head), *parts]


def _packed(
    text: bytes, known: list[int | None], request: Request
) -> tuple[list[bytes], list[int], list[Item], Origins | None]:
    """Convert a large result to items here, where no other work waits for the interpreter's lock."""
    value = exact_json.read(text)
    items = items_of(value)
    chunks, counts = chunks_of(items)
    origins = origins_of(value, known, request.items, each=request.each >= 0)
    stored = limited({} if origins is None else {"main": origins}, {"main": len(items)})
    return list(chunks), counts, sample_of(items), stored.get("main")


def _request(parts: list[bytes]) -> Request:
    head = orjson.loads(parts[0])
    texts = iter([part.decode() for part in parts[1:]])
    return Request(
        code=next(texts),
        items=head["items"],
        each=head["each"],
        tolerant=head["tolerant"],
        time_limit=head["time_limit"],
        memory_limit=head["memory_limit"],
        output_limit=head["output_limit"],
        words={word: next(texts) for word in head["words"]},
        nodes={name: next(texts) for name in head["nodes"]},
        surroundings=head["surroundings"],
    )


def _make_exact(outcome: EvaluationOutcome, request: Request) -> None:
    """Restore the integers beyond 2^53 that the code only passed on."""
    static = exact_json.write(outcome.static_data).decode() if outcome.static_data else ""
    if not (has_large(outcome.text) or has_large(static)):
        return
    known = KnownIntegers([*request.words.values(), *request.nodes.values()])
    try:
        outcome.text = known.restored_items(outcome.text, request.words["__items"], outcome.origins)
        outcome.static_data = known.restored(outcome.static_data)
    except AmbiguousInteger as error:
        outcome.kind, outcome.error = "items", f"The code cannot return this: {error}."


def _log_line(level: str, message: str) -> tuple[str, str]:
    if level not in LEVELS:
        raise ValueError(level)
    return level, message[:LOG_CHARACTERS].replace("\0", "\ufffd")


def _explained(error: str, code: str) -> str:
    """Return the error in one line, with what the code says about it."""
    begin = "async function () {" if uses_await(code) else "function () {"
    return explained(error, code, LINES_BEFORE, first_column=len(begin) + 2)[:ERROR_CHARACTERS]


def _line(stack: str, code: str) -> int:
    """Return the innermost line of the user's code in a stack, from 1; 0 if there is none."""
    last = code.count("\n") + 1
    for frame in _FRAME.finditer(stack):
        line = int(frame.group(1)) - LINES_BEFORE
        if line >= 1:
            return min(line, last)
    return 0
