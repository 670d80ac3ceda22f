"""Workers that die while a parent starts its child, or waits for it."""

from __future__ import annotations

import os
import signal
from uuid import uuid4

from tests.answering import answering
from tests.conftest import Platform
from tests.executing import execute, look, output, save, until
from tests.recovery.test_workers import holder
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes


def test_a_killed_worker_leaves_each_parent_with_one_child(platform: Platform) -> None:
    with answering() as server:
        asks = node("ask", "http_request", method="POST", url=f"{server.url}slow", timeout_seconds=60)
        nodes = [node("start", "manual_trigger"), asks]
        child = save(platform, nodes, [edge("start", "ask")], name=f"Child {uuid4().hex[:6]}")
        nodes = [node("start", "manual_trigger"), node("call", "execute_workflow", workflow=child)]
        parent = save(platform, nodes, [edge("start", "call")], name="Parent")
        executions = [execute(platform, parent, {"n": n}) for n in range(8)]
        wait_until(lambda: len(server.asked) >= 1, "The first child's request")
        inner = next(c["id"] for e in executions for c in look(platform, e)["children"] if c["status"] == "running")
        os.kill(holder(platform, {"id": inner}), signal.SIGKILL)
        server.open("slow")
        for execution in executions:
            assert until(platform, execution)["status"] == "completed"
            (made,) = look(platform, execution)["children"]
            assert (made["status"], made["node"]) == ("completed", "call")
            assert len(output(platform, execution, "call")["main"]) == 1
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))


def test_a_killed_worker_neither_loses_nor_repeats_the_children_of_items(platform: Platform) -> None:
    with answering() as server:
        server.free = 3
        asks = node("ask", "http_request", method="POST", url=f"{server.url}slow", timeout_seconds=60)
        child = save(platform, [node("start", "manual_trigger"), asks], [edge("start", "ask")], name="Child of an item")
        call = node("call", "execute_workflow", workflow=child, mode="each", at_once=2)
        parent = save(platform, [node("start", "manual_trigger"), call], [edge("start", "call")], name="Parent")
        execution = execute(platform, parent, *({"n": n} for n in range(8)))
        wait_until(lambda: len(server.asked) >= 4, "A request that is not answered")
        inner = next(c["id"] for c in look(platform, execution)["children"] if c["status"] == "running")
        os.kill(holder(platform, {"id": inner}), signal.SIGKILL)
        server.open("slow")
        assert until(platform, execution)["status"] == "completed"
        made = look(platform, execution)["children"]
        assert [each["status"] for each in made] == ["completed"] * 8
        assert len({each["id"] for each in made}) == len(output(platform, execution, "call")["main"]) == 8
        # A call that was on its way is repeated with its key; the others are made once.
        keys = [each["idempotency-key"] for each in server.asked]
        assert len(set(keys)) == 8
        assert len(keys) <= 10
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))
