"""The filter and the transformation of an endpoint, run in QuickJS: without I/O, with limits on time, memory and stack.

It runs in sandbox processes, for `webhooks.sending.scripts` and `webhooks.validation`, and does not import Django.
Both scripts see `event`, the CloudEvent. The filter is an expression; events for which it is falsy are not sent. The
transformation is a function body that returns the payload, an object or array, or `{body, headers?, method?}`.
"""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson
import quickjs

from workflow_platform.core import exact_json
from workflow_platform.core.sandbox import javascript
from workflow_platform.core.sandbox.javascript import Kind, Parser

TIME_LIMIT_SECONDS = 0.5
MEMORY_LIMIT_BYTES = 32 * 1024 * 1024
STACK_LIMIT_BYTES = 256 * 1024
MOST_BODY_BYTES = 1024 * 1024
SECONDS_TOGETHER = 1.0
BYTES_TOGETHER = 4 * 2**20
"""CPU seconds, and bytes of results, after which one task starts no further event."""
MOST_HEADERS = 50
METHODS = frozenset({"POST", "PUT", "PATCH"})
ENVELOPE = frozenset({"body", "headers", "method"})
_JSON = "application/json"
_CLOUD_EVENT = "application/cloudevents+json; charset=utf-8"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")

# A thrown value is converted to text inside QuickJS: reading a thrown object can run code, which the host could not
# limit. The functions for that are captured before the script can replace them.
_RUNNER = """
var __run = (function (evaluate, stringify, String, Error, Symbol, defineProperty, apply, wellFormed) {
  [InternalError, SyntaxError, RangeError].forEach(function (kind) {
    var name = kind.name;
    defineProperty(kind.prototype, Symbol.toPrimitive, {
      value: function () { return name + ": " + this.message; }, writable: false, configurable: false });
    defineProperty(kind.prototype, "message", { value: "", writable: true, configurable: false });
    defineProperty(kind.prototype, "stack", { value: "", writable: true, configurable: false });
  });
  return function (source, asks) {
    try {
      var value = evaluate(source);
      if (asks) { return value ? "true" : "false"; }
      var text = stringify(value);
      return text === undefined ? "!The transformation returns no JSON value." : text;
    } catch (error) {
      var plain = typeof error === "object" && error !== null && !(error instanceof Error);
      return apply(wellFormed, "!" + (plain ? "Error: " + stringify(error) : String(error)), []);
    }
  };
})(eval, JSON.stringify, String, Error, Symbol, Object.defineProperty, Reflect.apply, String.prototype.toWellFormed);
"""


class ScriptError(Exception):
    """A filter or transformation failed; the message says why."""


@dataclass(frozen=True, slots=True)
class TransformResult:
    """The message that a transformation makes of an event."""

    body: str
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)
    method: str = ""

    def within(self, options: dict[str, Any] | None) -> dict[str, Any]:
        """Return the options of the delivery with the headers and method of the result."""
        return {**(options or {}), "headers": self.headers, "method": self.method}


def check_filter(source: str, parser: Parser | None = None) -> str | None:
    """Return the syntax error of a filter, or None. The filter does not run."""
    return _syntax("expression", source, parser or Parser())


def check_transform(source: str, parser: Parser | None = None) -> str | None:
    """Return the syntax error of a transformation, or None. The transformation does not run."""
    return _syntax("body", source, parser or Parser())


def check(parts: list[bytes]) -> list[bytes]:
    """Check texts of the kinds `filter` and `transform`, as a task of a sandbox process (see `javascript.verdicts`)."""
    checks = {"filter": check_filter, "transform": check_transform}
    return javascript.verdicts(parts, lambda parser, kind, text: checks[kind](text, parser))


def run(parts: list[bytes]) -> list[bytes]:
    """Apply the scripts to deliveries, as a task of a sandbox process.

    `parts` is a JSON list with the filter and transformation of each delivery, followed by the event of each. Returns a
    JSON list with `{made}` (the return value of `prepare`) or `{error}` for each, or null if the time or size limit was
    reached before it; never for the first.
    """
    answers: list[dict[str, Any] | None] = []
    began, size = time.process_time(), 0
    for (filter_, transform), event in zip(orjson.loads(parts[0]), parts[1:], strict=True):
        if answers and (time.process_time() - began > SECONDS_TOGETHER or size > BYTES_TOGETHER):
            answers.append(None)
            continue
        answers.append(_made(filter_, transform, event.decode()))
        size += len(orjson.dumps(answers[-1]))
    return [orjson.dumps(answers)]


def _made(filter_: str, transform: str, event: str) -> dict[str, Any]:
    try:
        made = prepare(filter_, transform, event)
    except ScriptError as error:
        return {"error": str(error)}
    return {"made": asdict(made) if isinstance(made, TransformResult) else made}


def prepare(filter_: str, transform: str, event: str) -> TransformResult | Literal[False] | None:
    """Apply both scripts to the event (JSON). Returns the result of the transformation, None if there is none, or False
    if the filter excludes the event. Raises ScriptError."""
    if filter_ and not passes(filter_, event):
        return False
    return transformed(transform, event) if transform else None


def passes(source: str, event: str) -> bool:
    """Return whether the filter accepts the event (JSON). Raises ScriptError."""
    return _run(f"(() => (\n{source}\n))()", event, asks=True) == "true"


def transformed(source: str, event: str) -> TransformResult:
    """Apply the transformation to the event (JSON). Raises ScriptError."""
    text = _run(f"(function () {{\n{source}\n}})()", event, asks=False)
    try:
        value = exact_json.read(text)
    except exact_json.NotJson:
        raise ScriptError("The transformation must return a JSON value.") from None
    if isinstance(value, dict) and "body" in value and value.keys() <= ENVELOPE:
        return _of_envelope(value)
    if not isinstance(value, dict | list):
        raise ScriptError("The transformation must return an object or an array.")
    return _prepared(value, {}, "")


def _of_envelope(value: dict[str, Any]) -> TransformResult:
    headers, method = value.get("headers") or {}, str(value.get("method") or "").upper()
    if not isinstance(headers, dict) or len(headers) > MOST_HEADERS:
        raise ScriptError(f"`headers` must be an object with at most {MOST_HEADERS} headers.")
    for name, content in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(content, str | int | float) or len(str(content)) > 8_000:
            raise ScriptError(
                f"The header {name[:100]!r} is invalid. Use a valid name, and a string or number of at most 8000"
                " characters."
            )
    if method and method not in METHODS:
        raise ScriptError(f"`method` must be one of {', '.join(sorted(METHODS))}.")
    return _prepared(value["body"], {name: str(content) for name, content in headers.items()}, method)


def _prepared(body: Any, headers: dict[str, str], method: str) -> TransformResult:
    if isinstance(body, str):
        text, content_type = body, "text/plain; charset=utf-8"
    else:
        text = orjson.dumps(body).decode()
        content_type = _CLOUD_EVENT if isinstance(body, dict) and "specversion" in body else _JSON
    if len(text.encode(errors="replace")) > MOST_BODY_BYTES:
        raise ScriptError(f"The transformation returned more than {MOST_BODY_BYTES} bytes, the limit.")
    own = {name: content for name, content in headers.items() if name.lower() != "content-type"}
    header_type = next((content for name, content in headers.items() if name.lower() == "content-type"), content_type)
    return TransformResult(text.replace("\0", "�"), header_type[:200], own, method)


def _run(source: str, event: str, *, asks: bool) -> str:
    """Run a script in a new context."""
    try:
        context = javascript.context(
            seconds=TIME_LIMIT_SECONDS, memory_bytes=MEMORY_LIMIT_BYTES, stack_bytes=STACK_LIMIT_BYTES
        )
        context.eval(_RUNNER)
        context.set("event", context.parse_json(event))
        text = str(context.get("__run")(source, asks))
    except (quickjs.JSException, MemoryError, TypeError, ValueError) as error:
        raise ScriptError(_explained(str(error))) from None
    if text.startswith("!"):
        raise ScriptError(_explained(text[1:]))
    return text


def _syntax(kind: Kind, source: str, parser: Parser) -> str | None:
    if not source.strip():
        return "The script is empty."
    problem = parser.problem(kind, source)
    return problem.message if problem is not None else None


def _explained(error: str) -> str:
    message = error.strip().split("\n")[0][:400]
    if "interrupted" in message:
        return f"The script took longer than {TIME_LIMIT_SECONDS:g} s, the limit."
    if "out of memory" in message or message in {"null", ""}:
        return f"The script needs more than {MEMORY_LIMIT_BYTES // 2**20} MiB of memory, the limit."
    return message
