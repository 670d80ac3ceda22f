"""Workers that die while a node has its items delivered, or waits for that."""

from __future__ import annotations

import os
import signal

from tests.answering import answering
from tests.conftest import Platform
from tests.executing import execute, look, output, save, until
from tests.recovery.test_workers import holder
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes

ITEMS = [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_killed_worker_leaves_each_item_with_one_delivery(platform: Platform) -> None:
    with answering() as server:
        retry = {"preset": "custom", "delays_seconds": [0.1, 0.1, 0.1]}
        send = node("send", "send_webhook", url=f"{server.url}slow", wait=True, timeout_seconds=3, retry=retry)
        nodes = [node("start", "manual_trigger"), send, node("well", "no_op")]
        workflow = save(platform, nodes, [edge("start", "send"), edge("send", "well", "delivered")], name="Sends")
        executions = [execute(platform, workflow, *ITEMS) for _ in range(8)]
        wait_until(lambda: len(server.asked) >= 1, "The first attempt")
        held = next(each for each in executions if look(platform, each)["worker"])
        os.kill(holder(platform, {"id": held}), signal.SIGKILL)
        server.open("slow")
        for execution in executions:
            assert until(platform, execution)["status"] == "completed"
            delivered = output(platform, execution, "well")["main"]
            assert [each["status"] for each in delivered] == ["delivered"] * len(ITEMS)
            made = "SELECT id::text FROM webhooks_delivery WHERE execution_id = %s AND origin = 'node' ORDER BY 1"
            assert [pk for (pk,) in platform.query(made, execution)] == sorted(d["delivery_id"] for d in delivered)
        arrived = {asked["webhook-id"] for asked in server.asked}
        assert len(arrived) == len(executions) * len(ITEMS)  # some more than once, under the same id
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))
