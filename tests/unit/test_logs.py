"""Log lines: their formats and fields, what is masked in them, and which context they carry."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings

from workflow_platform.core import logs
from workflow_platform.core.logs.formatters import MAX_MESSAGE, MAX_VALUE
from workflow_platform.installation.log_view import LogView
from workflow_platform.installation.supervisor_process import SupervisorFormat

ROOT = Path(__file__).resolve().parents[2]
EXECUTION = SimpleNamespace(pk=UUID(int=1), workflow_id=UUID(int=2), workspace_id=UUID(int=3), trace_id=UUID(int=4))


class Written:
    """A logger, and what it wrote in one format."""

    def __init__(self, log_format: str) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(logs.formatter(log_format))
        self.logger = logging.Logger("executions.tests")
        self.logger.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture(params=logs.FORMATS)
def written(request: pytest.FixtureRequest) -> Written:
    return Written(request.param)


def test_a_json_line_parses_and_carries_its_fields() -> None:
    written = Written("json")
    written.logger.warning("delivery failed: %s", "refused", extra={"delivery_id": UUID(int=7), "retry_seconds": 4.0})
    (line,) = written.parsed
    assert line.pop("timestamp").endswith("+00:00")
    assert isinstance(line.pop("pid"), int)
    line.pop("component", None)
    assert line == {
        "level": "warning",
        "logger": "executions.tests",
        "message": "delivery failed: refused",
        "delivery_id": str(UUID(int=7)),
        "retry_seconds": 4.0,
    }


def test_the_default_format_is_one_readable_line_with_its_fields() -> None:
    written = Written("text")
    written.logger.warning("delivery failed", extra={"delivery_id": UUID(int=7), "node": "Fetch page", "count": 3})
    (line,) = written.lines
    assert line.split(" ", 2)[2] == (
        f'WARNING executions.tests delivery failed [node="Fetch page" delivery_id={UUID(int=7)} count=3]'
    )


def test_a_line_without_fields_has_no_brackets() -> None:
    written = Written("text")
    written.logger.info("started")
    assert written.lines[0].endswith("INFO executions.tests started")


def test_each_line_of_an_execution_carries_its_ids_and_its_trace_id() -> None:
    written = Written("json")
    with logs.log_context(request_id="r1"), logs.execution_logging(EXECUTION, node="fetch"):
        written.logger.info("inside")
        with logs.log_context(node="other", attempt=2):
            written.logger.info("deeper", extra={"attempt": 3})
    written.logger.info("outside")
    inside, deeper, outside = written.parsed
    ids = {"execution_id": 1, "workflow_id": 2, "workspace_id": 3, "trace_id": 4}
    for name, number in ids.items():
        assert inside[name] == deeper[name] == str(UUID(int=number))
        assert name not in outside
    assert (inside["request_id"], inside["node"]) == ("r1", "fetch")
    assert (deeper["node"], deeper["attempt"]) == ("other", 3)


def test_a_task_that_outlives_its_request_does_not_carry_its_id() -> None:
    written = Written("json")

    async def write() -> None:
        written.logger.info("written")

    async def serve() -> None:
        with logs.log_context(request_id="r1"):
            inherited = asyncio.create_task(write())
            detached = asyncio.create_task(write(), context=logs.without_log_context())
        await inherited
        await detached

    asyncio.run(serve())
    assert [line.get("request_id") for line in written.parsed] == ["r1", None]


def test_fields_of_the_process_are_on_each_json_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow_platform.core.logs.context._process_fields", {})
    written = Written("json")
    logs.set_process_fields("worker", worker="host:1")
    written.logger.info("started")
    assert (written.parsed[0]["component"], written.parsed[0]["worker"]) == ("worker", "host:1")


def test_a_traceback_follows_its_line(written: Written) -> None:
    try:
        raise ValueError("token=abcdef0123")
    except ValueError:
        written.logger.exception("failed")
    text = written.stream.getvalue()
    assert "Traceback (most recent call last)" in text
    assert "ValueError: token=***" in text
    if len(written.lines) == 1:
        assert written.parsed[0]["exception"].startswith("Traceback")


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("calling https://ada:hunter2@example.com/", "hunter2"),
        ("query api_key=abc123&page=2", "abc123"),
        ('body {"password": "hunter2"}', "hunter2"),
        ("header Authorization: Bearer abc123def456", "abc123def456"),
        ("Not Found: /invitations/abc123def/", "abc123def"),
        (f"Not Found: /hooks/resume/{UUID(int=1)}/abc123def", "abc123def"),
    ],
)
def test_secrets_are_masked_by_their_names(written: Written, message: str, secret: str) -> None:
    written.logger.error("failed: %s", message, extra={"path": message})
    assert secret not in written.stream.getvalue()
    assert "***" in written.stream.getvalue()


def test_what_a_caller_sends_cannot_begin_another_line(written: Written) -> None:
    forged = "x\n2026-01-01 00:00:00,000 ERROR forged\r\x1b[31m\u2028"
    written.logger.info("no such path: %s", forged, extra={"path": forged})
    assert len(written.stream.getvalue().splitlines()) == 1


def test_fields_that_are_not_listed_are_left_out(written: Written) -> None:
    written.logger.info("query", extra={"sql": "SELECT 1", "request": object(), "status_code": 404})
    text = written.stream.getvalue()
    assert "404" in text
    assert "SELECT" not in text
    assert "object" not in text


def test_long_messages_and_values_are_cut(written: Written) -> None:
    written.logger.info("m" * 20_000, extra={"path": "/" + "v" * 20_000})
    assert len(written.stream.getvalue()) < MAX_MESSAGE + MAX_VALUE + 600
    assert "more characters" in written.stream.getvalue()


def test_texts_that_are_not_unicode_are_written_all_the_same(written: Written) -> None:
    written.logger.info("half a character: %s", "\ud800", extra={"node": "\ud800", "count": 2**70})
    text = written.stream.getvalue()
    assert "ud800" in text
    assert str(2**70) in text


def test_an_error_that_ends_a_thread_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr(threading, "excepthook", None)
    written = Written("json")
    monkeypatch.setattr("logging.getLogger", lambda *_: written.logger)
    logs.log_uncaught_exceptions()
    thread = threading.Thread(target=lambda: 1 / 0, name="sweeps")
    thread.start()
    thread.join()
    assert written.parsed[0]["message"] == "thread 'sweeps' ended: uncaught error: division by zero"


# --- the names of fields ---------------------------------------------------------------------------------------------


def _sources() -> Iterator[Path]:
    for package in ("events", "executions", "webhooks", "workflow_platform"):
        yield from (ROOT / package).rglob("*.py")


def _keys(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Dict):
            yield from (str(key.value) for key in inner.keys if isinstance(key, ast.Constant))


def _fields_used(path: Path) -> Iterator[str]:
    """Yield the names in `extra`, also where a variable or a function gives it, and the names that contexts add."""
    source = path.read_text()
    if "extra=" not in source and "log_context" not in source and "execution_logging" not in source:
        return
    tree, named = ast.parse(source), set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for keyword in node.keywords:
            if keyword.arg == "extra":
                yield from _keys(keyword.value)
                names = (getattr(inner, "id", getattr(inner, "attr", "")) for inner in ast.walk(keyword.value))
                named.update(names)
            elif name in {"log_context", "execution_logging"} and keyword.arg is not None:
                yield keyword.arg
    for node in ast.walk(tree):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            if named & {getattr(target, "id", "") for target in targets} - {""}:
                yield from _keys(node)
        elif isinstance(node, ast.FunctionDef) and node.name in named:
            yield from _keys(node)


def test_every_line_uses_fields_that_are_listed() -> None:
    used = {(name, path.relative_to(ROOT)) for path in _sources() for name in _fields_used(path)}
    assert {(name, path) for name, path in used if name not in logs.FIELDS} == set()
    assert {"delivery_id", "request_id", "trace_id", "path", "operation_id"} <= {name for name, _ in used}


def test_every_field_is_documented() -> None:
    documented = (ROOT / "docs" / "logging.md").read_text()
    missing = [name for name in [*logs.FIELDS, *logs.PROCESS_FIELDS] if f"| `{name}` |" not in documented]
    assert missing == []


# --- the whole configuration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_format", logs.FORMATS)
@pytest.mark.parametrize(("level", "of_libraries"), [("DEBUG", "INFO"), ("INFO", "INFO"), ("ERROR", "ERROR")])
def test_lines_of_libraries_go_the_same_way_and_hold_no_sql(log_format: str, level: str, of_libraries: str) -> None:
    configured = logs.configuration(log_format, level)
    for name in ("django", "django.server", "rq.worker"):
        assert configured["loggers"][name] == {"handlers": [], "propagate": True, "level": of_libraries}
    assert configured["root"] == {"handlers": ["console"], "level": level}


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_FORMAT", "yaml"), ("LOG_FORMAT", ""), ("LOG_LEVEL", "LOUD"), ("LOG_LEVEL", "20")]
)
def test_a_format_or_level_that_does_not_exist_is_refused_with_the_choices(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    from workflow_platform import checks
    from workflow_platform import settings as module

    unreadable: dict[str, str] = {}
    monkeypatch.setattr(module, "UNREADABLE_VARIABLES", unreadable)
    monkeypatch.setattr(django_settings, "UNREADABLE_VARIABLES", unreadable)
    monkeypatch.setenv(name, value)
    choices = logs.FORMATS if name == "LOG_FORMAT" else logs.LEVELS
    assert module._read_choice(name, choices[0], choices) == choices[0]
    (message,) = [error.msg for error in checks.check_environment(None) if error.msg.startswith(name)]
    assert message.startswith(f"{name}: {value!r} is not valid; use one of {choices[0]}")


def test_a_format_is_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow_platform import settings as module

    monkeypatch.setenv("LOG_FORMAT", "JSON")
    assert module._read_choice("LOG_FORMAT", "text", logs.FORMATS) == "json"


# --- the supervisor and the terminal ---------------------------------------------------------------------------------


def test_the_supervisor_writes_its_log_in_the_same_format() -> None:
    values = {"levelname": "WARN", "message": "exited: web (exit status 1)", "asctime": "-"}
    assert json.loads(SupervisorFormat("json") % values) | {"timestamp": "", "pid": 0} == {
        "timestamp": "",
        "level": "warning",
        "logger": "supervisor",
        "message": "exited: web (exit status 1)",
        "pid": 0,
    }
    assert (SupervisorFormat("text") % values).endswith(" WARNING supervisor exited: web (exit status 1)\n")


def test_the_terminal_shows_json_lines_of_all_programs(tmp_path: Path) -> None:
    output = io.StringIO()
    view = LogView(tmp_path, output, log_format="json")
    (tmp_path / "web-0.log").write_text('{"level":"info","message":"started"}\n')
    (tmp_path / "postgres-0.log").write_text("LOG:  ready\n")
    view.show_new_lines()
    postgres, web = (json.loads(line) for line in output.getvalue().splitlines())
    assert web == {"level": "info", "message": "started", "program": "web-0"}
    assert (postgres["message"], postgres["program"]) == ("LOG:  ready", "postgres-0")
