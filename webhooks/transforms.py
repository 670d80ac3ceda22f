"""Filter and transformation of an endpoint, in QuickJS: no I/O; limits on time, memory and stack. No Django.

All of it runs in sandbox processes: `webhooks.sending.scripts` and `webhooks.validation` ask for it.

Both scripts see `event`, the CloudEvent. The filter is an expression; what is falsy is not sent. The transformation is
the body of a function: it returns the payload, an object or array, or `{body, headers?, method?}`.
"""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson
import quickjs

from workflow_platform.core.sandbox import javascript
from workflow_platform.core.sandbox.javascript import Kind, Parser

TIME_LIMIT_SECONDS = 0.5
MEMORY_LIMIT_BYTES = 32 * 1024 * 1024
STACK_LIMIT_BYTES = 256 * 1024
MOST_BODY_BYTES = 1024 * 1024
SECONDS_TOGETHER = 1.0
BYTES_TOGETHER = 4 * 2**20
"""CPU seconds, and bytes of answers, after which no further event is begun in one task."""
MOST_HEADERS = 50
METHODS = frozenset({"POST", "PUT", "PATCH"})
ENVELOPE = frozenset({"body", "headers", "method"})
_JSON = "application/json"
_CLOUD_EVENT = "application/cloudevents+json; charset=utf-8"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")

# What a script throws comes back as text, made inside: to read a thrown object can run code, and the host would have no
# limits there. The functions it needs are taken before the script can put others in their place.
_RUNNER = """
var __run = (function (evaluate, stringify, String, Error, Symbol, defineProperty) {
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
      return "!" + (plain ? "Error: " + stringify(error) : String(error));
    }
  };
})(eval, JSON.stringify, String, Error, Symbol, Object.defineProperty);
"""


class ScriptError(Exception):
    """A filter or a transformation did not come to a result; the message says why."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is sent instead."""

    body: str
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)
    method: str = ""

    def within(self, options: dict[str, Any] | None) -> dict[str, Any]:
        """Return the delivery's options with what is sent besides the body."""
        return {**(options or {}), "headers": self.headers, "method": self.method}


def check_filter(source: str, parser: Parser | None = None) -> str | None:
    """Return what is wrong with a filter, None if nothing is. Nothing of it runs."""
    return _syntax("expression", source, parser or Parser())


def check_transform(source: str, parser: Parser | None = None) -> str | None:
    """Return what is wrong with a transformation, None if nothing is. Nothing of it runs."""
    return _syntax("body", source, parser or Parser())


def check(parts: list[bytes]) -> list[bytes]:
    """Check texts of the kinds `filter` and `transform`, as a task of a sandbox process (see `javascript.verdicts`)."""
    checks = {"filter": check_filter, "transform": check_transform}
    return javascript.verdicts(parts, lambda parser, kind, text: checks[kind](text, parser))


def run(parts: list[bytes]) -> list[bytes]:
    """Prepare deliveries, as a task of a sandbox process.

    `parts` is a JSON list with filter and transformation of each, then the event of each. Returns a JSON list: for each
    `{made}` (a Prepared, null or false, as `prepare` returns it) or `{error}`, or null for those that there was no time
    left for, or no room in the answer; never for the first.
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
    return {"made": asdict(made) if isinstance(made, Prepared) else made}


def prepare(filter_: str, transform: str, event: str) -> Prepared | Literal[False] | None:
    """Apply both scripts to the event (JSON). Returns what is sent instead, None if the event is sent as it is, False
    if the filter turns it down. Raises ScriptError."""
    if filter_ and not passes(filter_, event):
        return False
    return transformed(transform, event) if transform else None


def passes(source: str, event: str) -> bool:
    """Tell whether the filter lets the event (JSON) through. Raises ScriptError."""
    return _run(f"(() => (\n{source}\n))()", event, asks=True) == "true"


def transformed(source: str, event: str) -> Prepared:
    """Return what the transformation makes of the event (JSON). Raises ScriptError."""
    text = _run(f"(function () {{\n{source}\n}})()", event, asks=False)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ScriptError("The transformation returns no JSON value.") from None
    if isinstance(value, dict) and "body" in value and value.keys() <= ENVELOPE:
        return _of_envelope(value)
    if not isinstance(value, dict | list):
        raise ScriptError("The transformation must return an object or an array.")
    return _prepared(value, {}, "")


def _of_envelope(value: dict[str, Any]) -> Prepared:
    headers, method = value.get("headers") or {}, str(value.get("method") or "").upper()
    if not isinstance(headers, dict) or len(headers) > MOST_HEADERS:
        raise ScriptError(f"`headers` must be an object of at most {MOST_HEADERS}.")
    for name, content in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(content, str | int | float) or len(str(content)) > 8_000:
            raise ScriptError(f"The header {name[:100]!r} is not one.")
    if method and method not in METHODS:
        raise ScriptError(f"`method` must be one of {', '.join(sorted(METHODS))}.")
    return _prepared(value["body"], {name: str(content) for name, content in headers.items()}, method)


def _prepared(body: Any, headers: dict[str, str], method: str) -> Prepared:
    if isinstance(body, str):
        text, content_type = body, "text/plain; charset=utf-8"
    else:
        text = orjson.dumps(body).decode()
        content_type = _CLOUD_EVENT if isinstance(body, dict) and "specversion" in body else _JSON
    if len(text.encode(errors="replace")) > MOST_BODY_BYTES:
        raise ScriptError(f"The transformation returns more than {MOST_BODY_BYTES} bytes.")
    own = {name: content for name, content in headers.items() if name.lower() != "content-type"}
    given = next((content for name, content in headers.items() if name.lower() == "content-type"), content_type)
    return Prepared(text.replace("\0", "�"), given[:200], own, method)


def _run(source: str, event: str, *, asks: bool) -> str:
    """Run it in a context of its own."""
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
    said = error.strip().split("\n")[0][:400]
    if "interrupted" in said:
        return f"The script took longer than {TIME_LIMIT_SECONDS:g} s."
    if "out of memory" in said or said in {"null", ""}:
        return f"The script needs more than {MEMORY_LIMIT_BYTES // 2**20} MiB."
    return said
