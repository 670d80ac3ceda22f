"""Sandbox processes: limits held, callers never stuck, nothing left from one run to the next."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from executions.domain.error_texts import STACK_ERROR
from executions.domain.expressions import ExpressionScope
from executions.domain.pairing import Pairing
from executions.sandbox import code as sandboxed
from executions.sandbox.code import CodeCall, CodeResult
from workflow_platform.core.sandbox import frames
from workflow_platform.core.sandbox import task as task_module
from workflow_platform.core.sandbox.pool import Pool
from workflow_platform.core.sandbox.task import TaskCancelled
from workflow_platform.core.sandbox.turns import TooManyWaiting, Turns
from workflow_platform.installation.embedded import wait_until

ENDLESS = "for (;;) {}"
MIB = 2**20
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def pool() -> Iterator[Pool]:
    found = Pool(2)
    yield found
    found.close()


@pytest.fixture(scope="module")
def warm() -> Iterator[Pool]:
    """Return a pool for tests of what a run says: most of their time would be the start of a process."""
    found = Pool(2)
    yield found
    found.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as found:
        yield found


def call(
    code: str,
    *items: dict[str, Any],
    mode: Literal["all", "each"] = "all",
    seconds: float = 30,
    nodes: dict[str, list[dict[str, Any]]] | None = None,
) -> CodeCall:
    before = {name: (lambda items=items: items) for name, items in (nodes or {}).items()}
    return CodeCall(code, ExpressionScope(list(items), before), mode, seconds, 128 * MIB, 16 * MIB)


def run(pool: Pool, code: str, *items: dict[str, Any], **how: Any) -> CodeResult:
    return sandboxed.run(call(code, *items, **how), pool=pool)


def busy(pool: Pool) -> list[int]:
    """Return the processes that have computed for longer than a start takes."""
    return [pid for pid in pool.processes() if psutil.Process(pid).cpu_times().user > 0.3]


class Running:
    """A call in another thread that its test cancels."""

    def __init__(self, pool: Pool, threads: ThreadPoolExecutor, code: str = ENDLESS, queue: str = "") -> None:
        self.cancelled = threading.Event()
        self.answer: Future[CodeResult] = threads.submit(
            sandboxed.run, call(code), queue=queue, cancelled=self.cancelled, pool=pool
        )

    def cancel(self) -> None:
        self.cancelled.set()
        with pytest.raises(TaskCancelled):
            self.answer.result(60)


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (ENDLESS, r"took longer than 0\.3 s of CPU time \(line 1\)"),
        (
            "const big = new Array(4e6).fill({ a: 1 });\nreturn [JSON.stringify(big).length + big.indexOf(0)]",
            r"took longer than 0\.3 s of CPU time\.",
        ),
        ("/(a+)+$/.test('a'.repeat(40) + 'b')", "took longer than"),
    ],
)
def test_a_run_ends_at_its_time_limit(warm: Pool, code: str, said: str) -> None:
    answer = run(warm, code, seconds=0.3)
    assert re.search(said, str(answer.error))
    assert not answer.retryable


def test_code_that_never_looks_at_its_clock_is_ended_by_the_kernel(pool: Pool) -> None:
    """QuickJS sorts and searches without looking; the limit of the process is up to two seconds behind its own."""
    answer = run(pool, "const s = 'ab'.repeat(2 ** 24); for (;;) s.lastIndexOf('c'.repeat(10))", seconds=0.1)
    assert answer.error is not None
    assert "took longer than 0.1 s" in answer.error


@pytest.mark.parametrize(
    "code",
    [
        "const a = []; for (;;) a.push(new Array(100000).fill(1))",
        "const a = [], s = 'x'.repeat(1e6); for (;;) a.push((s + a.length).split(''))",
        "const kept = []; for (let i = 0; ; i++) kept.push({ i })",
        "return [{ buffer: new ArrayBuffer(2 ** 31) }]",
        "const a = []; for (;;) a.push(new Uint8Array(2 ** 20).fill(7))",
    ],
)
def test_a_run_ends_at_its_memory_limit(warm: Pool, code: str) -> None:
    answer = run(warm, code)
    assert answer.error is not None
    assert "more than 128 MiB" in answer.error or "invalid array buffer length" in answer.error
    assert answer.memory_bytes < 400 * MIB
    assert run(warm, "return [1]").value == [1]


@pytest.mark.parametrize("filling", ["'x'.repeat(20e6)", "'é'.repeat(10e6)", "'\U0001f600'.repeat(5e6)"])
def test_a_run_ends_at_its_output_limit(warm: Pool, filling: str) -> None:
    answer = run(warm, f"return [{{ a: {filling} }}]")
    assert answer.error is not None
    assert "The code returned" in answer.error
    assert "at most 16777216 are allowed" in answer.error


def test_a_run_that_stands_still_ends_at_its_wall_clock(
    pool: Pool, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_module, "WALL_GRACE_SECONDS", 1.0)
    answer = threads.submit(run, pool, ENDLESS, seconds=0.6)
    wait_until(lambda: len(busy(pool)) == 1, "The run")
    os.kill(busy(pool)[0], signal.SIGSTOP)
    assert "no result after 5 s" in str(answer.result(60).error)
    assert answer.result().retryable


def test_code_cannot_block_without_using_time(warm: Pool) -> None:
    answer = run(warm, "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000); return []")
    assert "cannot block" in str(answer.error)


# --- callers ----------------------------------------------------------------------------------------------------------


def test_an_endless_loop_is_cancelled_and_its_process_is_gone(pool: Pool, threads: ThreadPoolExecutor) -> None:
    running = Running(pool, threads)
    wait_until(lambda: len(busy(pool)) == 1, "The loop")
    (pid,) = busy(pool)
    running.cancel()
    assert pid not in pool.processes()
    assert not psutil.pid_exists(pid)
    assert run(pool, "return [1]").value == [1]


def test_a_call_is_cancelled_while_it_waits_for_its_turn(pool: Pool, threads: ThreadPoolExecutor) -> None:
    loops = [Running(pool, threads) for _ in range(2)]
    wait_until(lambda: len(busy(pool)) == 2, "Both loops")
    waiting = Running(pool, threads)
    waiting.cancel()
    for loop in loops:
        loop.cancel()
    assert run(pool, "return [1]").value == [1]


def test_a_killed_process_is_an_error_that_can_be_tried_again(pool: Pool, threads: ThreadPoolExecutor) -> None:
    running = Running(pool, threads)
    wait_until(lambda: len(busy(pool)) == 1, "The loop")
    os.kill(busy(pool)[0], signal.SIGKILL)
    answer = running.answer.result(60)
    assert "killed by SIGKILL" in str(answer.error)
    assert answer.retryable
    assert answer.cpu_ms > 0
    assert run(pool, "return [1]").value == [1]


def test_a_process_that_dies_idle_is_replaced_unseen(pool: Pool) -> None:
    run(pool, "return []")
    (pid,) = pool.processes()
    os.kill(pid, signal.SIGKILL)
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    wait_until(lambda: os.waitid(os.P_PID, pid, ended) is not None, "The end of the process")
    assert run(pool, "return [1]").value == [1]


def test_endless_loops_do_not_delay_a_run_in_another_process(threads: ThreadPoolExecutor) -> None:
    pool = Pool(3)
    try:
        loops = [Running(pool, threads) for _ in range(2)]
        wait_until(lambda: len(pool.processes()) == 2, "Both loops")
        assert run(pool, "return [1]").value == [1]
        assert not any(loop.answer.done() for loop in loops)
        for loop in loops:
            loop.cancel()
    finally:
        pool.close()


def test_queues_take_turns(threads: ThreadPoolExecutor) -> None:
    turns, order = Turns(1), list[str]()

    def take(name: str) -> None:
        with turns.place(name[0], "", lambda: None):
            order.append(name)

    with turns.place("first", "", lambda: None):
        done: list[Future[None]] = []
        for count, name in enumerate(("a1", "a2", "a3", "b1", "c1"), 1):
            done.append(threads.submit(take, name))
            wait_until(lambda count=count: turns.waiting() == count, f"{name} in the queue")
    for future in done:
        future.result(60)
    assert order == ["a1", "b1", "c1", "a2", "a3"]


def test_within_a_group_the_queues_take_turns(threads: ThreadPoolExecutor) -> None:
    turns, order = Turns(1), list[str]()

    def take(name: str) -> None:
        with turns.place("workspace", name[0], lambda: None):
            order.append(name)

    with turns.place("workspace", "first", lambda: None):
        done: list[Future[None]] = []
        for count, name in enumerate(("a1", "a2", "b1"), 1):
            done.append(threads.submit(take, name))
            wait_until(lambda count=count: turns.waiting() == count, f"{name} in the queue")
    for future in done:
        future.result(60)
    assert order == ["a1", "b1", "a2"]


def test_a_group_that_holds_no_place_gets_one_of_the_reserve_at_once() -> None:
    turns = Turns(1, reserve=1)
    with turns.place("busy", "", lambda: None), turns.place("other", "", lambda: None):
        with pytest.raises(TaskCancelled), turns.place("busy", "", cancel):
            raise AssertionError("a group holds a place and one of the reserve")
        with pytest.raises(TaskCancelled), turns.place("third", "", cancel):
            raise AssertionError("there are more places than there are")
    assert turns.waiting() == 0
    with turns.place("busy", "", cancel):
        pass


def test_a_group_may_have_only_so_many_waiting(threads: ThreadPoolExecutor) -> None:
    turns = Turns(1)
    with turns.place("group", "", lambda: None):
        waiting = threads.submit(lambda: turns.place("group", "", lambda: None).__enter__())
        wait_until(lambda: turns.waiting() == 1, "The one that waits")
        with pytest.raises(TooManyWaiting), turns.place("group", "", lambda: None, most_waiting=1):
            raise AssertionError("it had to wait")
    waiting.result(60)


def cancel() -> None:
    raise TaskCancelled


def test_a_workspace_whose_code_never_ends_does_not_delay_anothers(pool: Pool, threads: ThreadPoolExecutor) -> None:
    endless = [Running(pool, threads) for _ in range(4)]
    wait_until(lambda: len(busy(pool)) == 2, "Two that compute")
    answer = sandboxed.run(call("return [1]"), group="another workspace", pool=pool)
    assert answer.value == [1]
    assert not any(each.answer.done() for each in endless)
    for each in endless:
        each.cancel()


def test_every_call_comes_back_while_processes_are_killed(pool: Pool, threads: ThreadPoolExecutor) -> None:
    chance = random.Random(3)

    def some(n: int) -> str:
        cancelled = threading.Event()
        if n % 10 == 0:
            threading.Timer(chance.random() / 10, cancelled.set).start()
        code = ENDLESS if n % 10 == 0 else f"for (let i = 0; i < 1e5; i++); return [{n}]"
        try:
            answer = sandboxed.run(call(code), queue=str(n % 3), cancelled=cancelled, pool=pool)
        except TaskCancelled:
            return "cancelled"
        assert answer.value == [n] or answer.retryable, answer
        return "value" if answer.value else "killed"

    done = [threads.submit(some, n) for n in range(300)]
    while wait(done, timeout=0.2).not_done:
        with suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(pool.processes()), signal.SIGKILL)
    ends = [future.result(60) for future in done]
    assert ends.count("value") > 0
    assert ends.count("cancelled") + ends.count("killed") >= 30
    assert len(pool.processes()) <= 2


def test_a_process_is_used_again(pool: Pool) -> None:
    for _ in range(5):
        run(pool, "return []")
    assert len(pool.processes()) == 1


def test_a_process_that_keeps_much_memory_is_replaced_or_gives_it_back(pool: Pool) -> None:
    run(pool, "let a = []; for (let i = 0; i < 1e6; i++) a.push({ i }); return []")
    run(pool, "return []")
    (pid,) = pool.processes()
    assert psutil.Process(pid).memory_info().rss < 100 * MIB


# --- what code sees ---------------------------------------------------------------------------------------------------


def test_nothing_of_a_run_is_seen_by_the_next(pool: Pool) -> None:
    spoil = """
        globalThis.left = "secret"; also = 1; Object.prototype.evil = 1; Array.prototype.map = () => "mine";
        JSON.stringify = () => "[666]"; try { Object.defineProperty(globalThis, "$json", {}); } catch {}
        console.log = null; return [];
    """
    assert run(pool, spoil, {"n": 1}, nodes={"Secret": [{"password": "x"}]}).value == []
    seen = """
        return [typeof left, typeof also, ({}).evil, [1].map(n => n + 1), $json.n, Object.keys(globalThis),
                typeof console.log, typeof __run, typeof __state];
    """
    value = run(pool, seen, {"n": 2}).value
    assert value[:5] == ["undefined", "undefined", None, [2], 2]
    assert "left" not in value[5]
    assert value[6:] == ["function", "undefined", "undefined"]
    assert "has not run yet" in str(run(pool, "return $('Secret').all()").error)
    assert len(pool.processes()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "require",
        "process",
        "std",
        "os",
        "fetch",
        "XMLHttpRequest",
        "WebSocket",
        "Worker",
        "scriptArgs",
        "Deno",
        "print",
    ],
)
def test_nothing_of_the_host_is_in_reach(warm: Pool, name: str) -> None:
    assert run(warm, f"return [typeof {name}]").value == ["undefined"]


@pytest.mark.parametrize("module", ["std", "os", "qjs:std", "qjs:os", "fs", "/etc/passwd", "./child.py"])
def test_no_module_is_imported(warm: Pool, module: str) -> None:
    code = f"""
        let got = "nothing"; import({module!r}).then(m => {{ got = "module"; globalThis.m = m; }}, () => {{}});
        return [got, typeof m];
    """
    assert run(warm, code).value == ["nothing", "undefined"]


def test_a_sandbox_process_holds_no_secrets_connections_or_privileges(pool: Pool) -> None:
    run(pool, "return []")
    process = psutil.Process(pool.processes()[0])
    assert not {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"} & set(process.environ())
    assert process.net_connections("inet") == []
    assert process.rlimit(psutil.RLIMIT_FSIZE) == process.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert "NoNewPrivs:\t1" in Path(f"/proc/{process.pid}/status").read_text()
    opened = [file.path for file in process.open_files()]
    assert all(path.startswith("/proc/") for path in opened), opened


def test_only_the_outputs_that_the_code_names_are_read(warm: Pool) -> None:
    def never() -> Any:
        raise AssertionError("read")

    pairings = {"Big": never, "Small": Pairing(None).as_dict}
    scope = ExpressionScope([{}], {"Big": never, "Small": lambda: [{"n": 1}]}, pairings=pairings)
    code = "return [$('Small').first().json.n, $node['Small'].json.n, $items('Small').length]"
    answer = sandboxed.run(CodeCall(code, scope, "all", 5, 128 * MIB, 16 * MIB), pool=warm)
    assert answer.value == [1, 1, 1]


def test_text_of_all_planes_comes_back_as_it_went(warm: Pool) -> None:
    item = {
        "é": "Ångström — 你好 — \U0001f468‍\U0001f469‍\U0001f467 — \u2028\u2029 — \x00 — \\\"' `${x}`",
        "__proto__": {"a": 1},
    }
    assert run(warm, "return $input.all().map(item => item.json)", item).value == [item]


@pytest.mark.parametrize(
    "code",
    [
        "console.log('x'); Object.prototype.toJSON = () => ({}); return []",
        "Object.prototype.toJSON = () => 'x'.repeat(1e6); return [{}]",
        "Error.prototype.toString = () => { for (;;); }; for (;;);",
        "throw new Proxy(new Error('x'), { get: () => { for (;;); } })",
        "console.log({ toJSON() { for (;;); } })",
        "}, (() => { throw new Proxy(new Error('x'), { get() { for (;;); } }) })(), function () {",
    ],
)
def test_code_that_spoils_how_it_is_read_has_an_answer_all_the_same(warm: Pool, code: str) -> None:
    answer = run(warm, code, seconds=0.3)
    assert answer.error is not None or isinstance(answer.value, list | dict | str)
    assert not answer.retryable
    assert run(warm, "return [1]").value == [1]


def test_half_a_character_is_replaced_and_ends_no_process(warm: Pool) -> None:
    assert run(warm, "return ['\\ud83d']").value == ["\ufffd"]
    large = run(warm, "return [{t: 'x'.repeat(70000) + '\\ud83d', n: 1}]").items()
    assert large[0]["t"][-1] == "\ufffd"
    assert run(warm, "throw new Error('ab😀'.slice(0, 3))").error == "Error: ab\ufffd (line 1)"
    assert run(warm, "throw 'ab😀'.slice(0, 3)").error == "ab\ufffd"
    assert run(warm, "throw {t: '\\ud83d'}").error == 'Error: {"t":"\\ud83d"}'
    tampered = run(warm, "Function.prototype.call = null; String.prototype.toWellFormed = null; throw '\\ud83d'")
    assert tampered.error == "\ufffd"
    answer = run(warm, "console.log('\\ud83d and \\0'); return []")
    assert (answer.value, answer.logs) == ([], [("info", "� and �")])


def test_ten_megabytes_of_items_go_through(pool: Pool) -> None:
    items = [{"id": n, "name": f"name {n}", "tags": ["a", "b"], "text": "x" * 60} for n in range(90_000)]
    code = "return $input.all().map(item => ({ ...item.json, id: item.json.id + 1 }))"
    answer = run(pool, code, *items)
    assert answer.error is None
    made = answer.items()
    assert len(made) == 90_000
    assert made[-1] == items[-1] | {"id": 90_000}


# --- what the author is told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("return null.x", "TypeError: cannot read property 'x' of null (line 1)"),
        ("let a = 1;\n\nlet b = null; return [b.x]", "TypeError: cannot read property 'x' of null: b is null (line 3)"),
        (
            "const f = x => x.y.z;\nreturn [1].map(f)",
            "TypeError: cannot read property 'z' of undefined: x.y is undefined (line 1)",
        ),
        ("return 'a'.toUppercase()", "TypeError: 'a'.toUppercase is not a function; do you mean toUpperCase? (line 1)"),
        ("\nreturn $('Nobody').all()", 'ReferenceError: node "Nobody" has not run yet (line 2)'),
        ("let a = 1;\nthrow new Error('mine')", "Error: mine (line 2)"),
        ("let a = 1;\nconst b = ;", "SyntaxError: unexpected token in expression: ';' (line 2)"),
        ("return [", "SyntaxError: unexpected token in expression: '}' (line 1)"),
        ("throw 'text'", "text"),
        ("throw { code: 5 }", 'Error: {"code":5}'),
        ("return [2n ** 64n]", "TypeError: a BigInt of more than 64 bits has no JSON form; use String(value)"),
        ("return (function deep() { return deep(); })()", f"{STACK_ERROR} (line 1)"),
    ],
)
def test_an_error_names_the_line_of_the_code(warm: Pool, code: str, said: str) -> None:
    assert run(warm, code, {}).error == said


def test_in_mode_each_an_error_names_the_item_too(warm: Pool) -> None:
    answer = run(warm, "if ($json.n === 2) {\n  null.x;\n}\nreturn $json", {"n": 1}, {"n": 2}, mode="each")
    assert answer.error == "TypeError: cannot read property 'x' of null (line 2, item 1)"


def test_what_the_code_logs_is_kept_up_to_a_bound_also_if_it_fails(warm: Pool) -> None:
    code = """
        console.log("n is", 5, { a: [1] }, undefined, null, new Error("e"));
        console.warn("careful"); console.error("bad"); console.debug("x".repeat(5000));
        for (let i = 0; i < 200; i++) console.info(i);
        for (;;) {}
    """
    answer = run(warm, code, seconds=0.3)
    assert "took longer" in str(answer.error)
    assert answer.logs[0] == ("info", 'n is 5 {"a":[1]} undefined null Error: e')
    assert [level for level, _ in answer.logs[1:4]] == ["warning", "error", "debug"]
    assert len(answer.logs[3][1]) == 2000
    assert (len(answer.logs), answer.dropped) == (100, 104)


def test_the_cost_is_that_of_the_code(pool: Pool) -> None:
    idle = run(pool, "return []")
    costly = run(pool, "let a = []; for (let i = 0; i < 5e5; i++) a.push({ i }); return []")
    again = run(pool, "return []")
    assert costly.cpu_ms > max(idle.cpu_ms, again.cpu_ms)
    assert costly.memory_bytes > 20 * MIB > max(idle.memory_bytes, again.memory_bytes)


# --- parents and children ---------------------------------------------------------------------------------------------


def test_a_sandbox_process_imports_no_django() -> None:
    code = (
        "import sys, workflow_platform.core.sandbox.child, executions.sandbox.evaluation, executions.nodes.in_sandbox;"
        " import executions.nodes.html_extract, executions.nodes.merge, executions.nodes.summarize;"
        " print([m for m in sys.modules if m.startswith(('django', 'psycopg'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PARENT = """
import threading
from executions.domain.expressions import ExpressionScope
from executions.sandbox.code import CodeCall, run
from workflow_platform.core.sandbox.pool import Pool
pool, call = Pool(1), CodeCall("for (;;) {}", ExpressionScope([]), "all", 600, 2**27, 2**20)
threading.Thread(target=run, args=(call,), kwargs={"pool": pool}, daemon=True).start()
while not pool.processes():
    pass
print(pool.processes()[0], flush=True)
threading.Event().wait()
"""


def test_a_sandbox_process_ends_with_a_parent_that_is_killed_whatever_it_computes() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        try:
            wait_until(lambda: child.cpu_times().user > 0.3, "The endless loop")
        finally:
            parent.kill()
    wait_until(lambda: not _lives(child), "The end of the sandbox process")


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_streamed_part_is_sent_piece_by_piece_and_must_have_its_size() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.send(ours, [b"head", frames.StreamedPart(6, lambda: iter([b"abc", b"", b"def"])), b"end"])
        assert frames.receive(theirs, 100) == [b"head", b"abcdef", b"end"]
        for pieces in ([b"abc"], [b"abcdefg"]):
            with pytest.raises(frames.WrongLength, match="It says 6"):
                frames.send(ours, [frames.StreamedPart(6, lambda pieces=pieces: iter(pieces))])  # type: ignore[misc]
