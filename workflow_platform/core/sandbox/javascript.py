"""JavaScript in QuickJS: contexts with limits, and syntax checks that never run what they check. No Django.

No other module creates a context. Code of users is checked and run in sandbox processes only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from signal import ITIMER_PROF, setitimer
from typing import Literal

import orjson
import quickjs

Kind = Literal["expression", "body", "async_body"]

STACK_LIMIT_BYTES = 512 * 1024
CHECK_MEMORY_BYTES = 128 * 2**20
CHECK_SECONDS = 1.0
CHECK_SECONDS_PER_MIB = 0.5
MOST_CHECK_SECONDS = 4.0
"""QuickJS parses some 8 MiB a second, twice. Few texts take longer for their size: 30,000 variables in one function."""
_REACHED = "1"
"""The exception that the check throws after the text has been parsed."""
_PLACE = re.compile(r"<input>:(\d+)")
_CANNOT_STORE = re.compile("[\0\ud800-\udfff]")

# QuickJS compiles a whole script before it runs any of it, and the first statement throws: nothing after it is ever
# reached, wherever the text ends up. Whether the text is *one* body or expression is a second question: `})` may close
# what we opened, and `({` open it again. So each text is parsed twice, in surroundings that no text can leave both of:
# what closes an expression's `(` does not close a `[`; after the `}` that closes a function in brackets comes an
# operator, `,` or `)`, after that of an arrow function between `?` and `:` comes `:` and nothing else.
_WRAPPERS: dict[Kind, tuple[str, str]] = {
    "expression": ("throw 1;(() => (\n{}\n))", "throw 1;(() => [\n{}\n])"),
    "body": ("throw 1;(function () {{{}\n}})", "throw 1;(function () {{ 0 ? () => {{{}\n}} : 0; }})"),
    "async_body": (
        "throw 1;(async function () {{{}\n}})",
        "throw 1;(async function () {{ 0 ? async () => {{{}\n}} : 0; }})",
    ),
}
_LINES_BEFORE: dict[Kind, int] = {"expression": 1, "body": 0, "async_body": 0}


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a text is no expression or function body, and the line, from 1 (0: unknown)."""

    message: str
    line: int = 0


def context(*, seconds: float, memory_bytes: int, stack_bytes: int = STACK_LIMIT_BYTES) -> quickjs.Context:
    """Return a new context under limits of time (CPU seconds of the process, for each call), memory and stack."""
    made = quickjs.Context()
    made.set_memory_limit(memory_bytes)
    made.set_max_stack_size(stack_bytes)
    made.set_time_limit(seconds)
    return made


class Parser:
    """Checks texts without running them. A context is reused until a text fails."""

    def __init__(self) -> None:
        self._context: quickjs.Context | None = None

    def problem(self, kind: Kind, text: str) -> SyntaxProblem | None:
        """Return why the text is not one expression, or the body of one function; None if it is."""
        if (match := _CANNOT_STORE.search(text)) is not None:
            line = text.count("\n", 0, match.start()) + 1
            return SyntaxProblem(f"SyntaxError: the character U+{ord(match.group()):04X} is not allowed.", line)
        for wrapper in _WRAPPERS[kind]:
            message = self._parsed(wrapper.format(text))
            if message != _REACHED:
                self._context = None
                return SyntaxProblem(_explained(message), _line(message, kind, text))
        return None

    def _parsed(self, script: str) -> str:
        if self._context is None:
            self._context = context(seconds=CHECK_SECONDS, memory_bytes=CHECK_MEMORY_BYTES)
        try:
            self._context.eval(script)
        except quickjs.JSException as error:
            message = str(error).strip()
            return _REACHED if message.split("\n")[0] == _REACHED else message
        except MemoryError:
            return "InternalError: out of memory"
        raise AssertionError("A check went past the statement that throws.")


def budget(size: int) -> float:
    """Return the limit of CPU seconds for checking texts of this many bytes."""
    return min(MOST_CHECK_SECONDS, CHECK_SECONDS + CHECK_SECONDS_PER_MIB * size / 2**20)


def verdicts(parts: Sequence[bytes], check: Callable[[Parser, str, str], str | None]) -> list[bytes]:
    """Check texts as a task of a sandbox process.

    `parts` is one JSON list of pairs of kind and text. Returns one JSON list: for each what is wrong with it, or null.
    """
    parser = Parser()
    with _killed_after(budget(len(parts[0]))):
        return [orjson.dumps([check(parser, kind, text) for kind, text in orjson.loads(parts[0])])]


@contextmanager
def _killed_after(seconds: float) -> Iterator[None]:
    """Make the kernel end this process by SIGPROF after this many CPU seconds, since the parser checks no clock."""
    setitimer(ITIMER_PROF, seconds)
    try:
        yield
    finally:
        setitimer(ITIMER_PROF, 0)


def _explained(message: str) -> str:
    first = message.split("\n")[0]
    if "Maximum call stack size" in first or "stack overflow" in first:
        return "SyntaxError: the text is nested too deeply."
    if "out of memory" in first or first in {"", "null"}:
        return f"SyntaxError: to parse the text needs more than {CHECK_MEMORY_BYTES // 2**20} MiB of memory."
    return first


def _line(message: str, kind: Kind, text: str) -> int:
    match = _PLACE.search(message)
    line = int(match.group(1)) - _LINES_BEFORE[kind] if match else 0
    return min(line, text.count("\n") + 1) if line >= 1 else 0
