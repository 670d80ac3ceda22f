"""What a step costs beside the function that it computes: chains of `code` nodes, as orchestrators are compared by.

Forty steps of fibo(10), ten of fibo(33), one execution at a time, from the request to its answer. The baseline is the
same function, called as often in one bare QuickJS context.
"""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import quickjs

from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation
from tests.workflows import edge, node

FIBO = "function fibo(n) { return n < 2 ? n : fibo(n - 1) + fibo(n - 2); }"
VALUES = {10: 55, 33: 3524578}
SHAPES = {"fibo10": (40, 10, 11), "fibo33": (10, 33, 3)}
"""Steps, argument, rounds."""


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with installation(folder / "steps") as platform:
        for name, (steps, argument, rounds) in SHAPES.items():
            workflow = platform.create_workflow({"name": name} | chain(steps, argument))
            execute(platform, workflow, argument)  # the first one warms what there is to warm
            found = [(execute(platform, workflow, argument), bare(steps, argument)) for _ in range(rounds)]
            total, bare_total = (statistics.median(column) for column in zip(*found, strict=True))
            overhead = statistics.median(a - b for a, b in found) / steps
            context = {"steps": steps, "rounds": rounds}
            report(f"steps.{name}.total", "s", total, bare_total, **context)
            report(f"steps.{name}.overhead", "ms/step", overhead * 1000, **context)


def chain(steps: int, argument: int) -> dict[str, Any]:
    """Return a graph of `code` nodes one after the other."""
    code = f"{FIBO}\nreturn [{{ value: fibo({argument}) }}];"
    nodes = [node("start", "manual_trigger"), *(node(f"step{n}", "code", code=code) for n in range(steps))]
    edges = [edge(a["id"], b["id"]) for a, b in pairwise(nodes)]
    return {"nodes": nodes, "edges": edges}


def execute(platform: Installation, workflow: str, argument: int) -> float:
    """Run the workflow once. Returns the seconds from the request to the answer."""
    began = time.perf_counter()
    answer = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 60})
    seconds = time.perf_counter() - began
    execution = answer.json()
    assert execution["status"] == "completed", execution
    last = f"step{execution['nodes_total'] - 2}"
    output = platform.request("GET", f"/api/executions/{execution['id']}/nodes/{last}/output/").json()
    assert output["outputs"]["main"] == [{"value": VALUES[argument]}], output
    return seconds


def bare(steps: int, argument: int) -> float:
    """Return the seconds that the function alone takes."""
    context = quickjs.Context()
    context.eval(FIBO)
    began = time.perf_counter()
    for _ in range(steps):
        assert context.eval(f"fibo({argument})") == VALUES[argument]
    return time.perf_counter() - began
