"""A pytest plugin, named in pyproject.toml: `--cpu` shows where the CPU time of a run goes.

It counts each process of the run and everything that it has started: servers, workers, browsers. The time on the clock
depends on what else the machine does, the CPU time much less. A process that runs beside a test, such as an idle
platform, counts for this test; the table by program shows how much that is.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests import started_servers

_LEAST_SECONDS = 0.02
"""What is over sooner is booked with what follows: to look at all processes takes some milliseconds."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PROGRAMS = {
    "workflow_platform.web": "web",
    "rqworker": "worker",
    "run_scheduler": "scheduler",
    "sandbox.child": "sandbox",
    "heartbeat.companion": "companion",
    "manage.py": "manage.py",
    "redis-server": "redis",
    "postgres": "postgres",
    "chrom": "chromium",
    "nginx": "nginx",
    "pytest": "pytest",
}
"""What a process is, by the first of these texts that its command line contains."""
Seconds: TypeAlias = defaultdict[str, float]
TESTS, STEPS, PROGRAMS = "tests", "fixtures and phases", "programs"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--cpu", type=int, nargs="?", const=40, default=0, metavar="N",
                     help="show the N tests and fixtures that took the most CPU time (40)")  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Measure, if it is wanted."""
    if config.getoption("cpu"):
        config.pluginmanager.register(Measuring(config))


class Measuring:
    """The CPU seconds of a process and those that it has started, by test, by fixture and by program."""

    def __init__(self, config: pytest.Config) -> None:
        self._hands_out = started_servers.hands_out(config)
        self._own_cost = self._last = self._booked_at = 0.0
        self._used: dict[tuple[int, int], tuple[str, float]] = {}
        self.seconds = {name: Seconds(float) for name in (TESTS, STEPS, PROGRAMS)}
        self._test = "start and collection"
        self.book("start and collection")

    def book(self, step: str) -> None:
        """Book what was used since the last time."""
        if self._hands_out or time.monotonic() - self._booked_at < _LEAST_SECONDS:  # the others book; or next time
            return
        began = time.process_time()
        total = self._total()
        used, self._last = total - self._last, total
        self.seconds[TESTS][self._test] += used
        self.seconds[STEPS][step] += used
        self._own_cost += time.process_time() - began
        self._booked_at = time.monotonic()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Book by test."""
        self.book("between tests")
        self._test = item.nodeid
        try:
            return (yield)
        finally:
            self.book("teardown")
            self._test = "between tests"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Book what a fixture needs to be set up, without the fixtures that it needs."""
        self.book("setup")
        try:
            return (yield)
        finally:
            self.book(f"fixture {fixturedef.argname}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Book the test itself."""
        self.book("setup")
        try:
            return (yield)
        finally:
            self.book("call")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the figures to the process that gives out the tests, if this is not the one."""
        if self._hands_out:  # it has what the others have measured
            return
        self.book("between tests")
        self.seconds[PROGRAMS] = self._by_program(self._last)
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["cpu"] = {name: dict(counted) for name, counted in self.seconds.items()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what one of the processes has measured."""
        for name, counted in getattr(node, "workeroutput", {}).get("cpu", {}).items():
            for what, seconds in counted.items():
                self.seconds[name][what] += seconds

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Show the figures."""
        terminalreporter.section(f"{self._total():.1f} CPU seconds")
        for name, counted in self.seconds.items():
            terminalreporter.section(f"CPU seconds by {name}: {sum(counted.values()):.1f}")
            for what, seconds in sorted(counted.items(), key=itemgetter(1), reverse=True)[: config.getoption("cpu")]:
                terminalreporter.write_line(f"{seconds:9.2f} {what}")

    def _total(self) -> float:
        """Return what the run has used, and keep what each process has used: it says no more when it has ended."""
        total = 0.0
        for process, own, ended in _tree():
            if process[0] == os.getpid():
                own = time.process_time() - self._own_cost
            _, known = self._used.get(process, ("", 0.0))
            self._used[process] = self._used[process][0] if known else _named(process[0]), own
            total += own + ended
        return total

    def _by_program(self, total: float) -> Seconds:
        """Return the CPU seconds by program."""
        used = Seconds(float)
        for program, seconds in self._used.values():
            used[program] += seconds
        used["what lived only shortly"] = total - sum(used.values())
        return used


def _named(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        words = ""
    return next((name for text, name in _PROGRAMS.items() if text in words), "python")


def _tree() -> Iterator[tuple[tuple[int, int], float, float]]:
    """Yield this process and all below it: number and start, its CPU seconds, and those of its ended children."""
    rows, children = dict[int, list[int]](), dict[int, list[int]]()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path(f"/proc/{name}/stat").read_bytes()
            except OSError:
                continue
            fields = text[text.rindex(b")") + 2 :].split()
            pid = int(name)
            rows[pid] = [int(fields[place]) for place in (1, 11, 12, 13, 14, 19)]
            children.setdefault(rows[pid][0], []).append(pid)
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, ())
        if pid in rows:
            _, user, system, ended_user, ended_system, started = rows[pid]
            yield (pid, started), (user + system) / _TICKS, (ended_user + ended_system) / _TICKS
