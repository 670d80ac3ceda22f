"""Executions that compute for long in every way that a workflow can, and a workspace that is a stranger to them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import uuid4

import requests

from tests.shell import Shell
from tests.workflows import edge, node

_MAKE = """
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace
user = User.objects.create_user({name!r}, "{name}@example.com", "a-password-for-tests")
workspace = Workspace.objects.create(name={name!r}, slug={name!r})
Membership.objects.create(user=user, workspace=workspace, role=Role.ADMIN)
print("token", ApiToken.issue(user, "tests")[1])
"""
MANY_ITEMS = "return Array.from({ length: 100000 }, (_, n) => ({ n, text: 'item ' + n }))"
PAGE = "return [{ body: '<div>'.repeat(19900) }]"
LOOP = "(() => { const end = Date.now() + 900; while (Date.now() < end); return $json.n })()"


class Tenant:
    """A user with a workspace of their own."""

    def __init__(self, shell: Shell, url: str) -> None:
        self.name, self.url = f"tenant-{uuid4().hex[:6]}", url
        self.token = shell.run(_MAKE.format(name=self.name)).split("token ")[1].split()[0]

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=300, **kwargs)


def chain(*nodes: dict[str, Any]) -> dict[str, Any]:
    """Return a workflow whose nodes run one after the other."""
    started = [node("start", "manual_trigger"), *nodes]
    edges = [edge(a["id"], b["id"]) for a, b in pairwise(started)]
    return {"name": "Computes", "nodes": started, "edges": edges}


def _made(code: str, *nodes: dict[str, Any]) -> dict[str, Any]:
    return chain(node("make", "code", code=code, time_limit_seconds=60), *nodes)


def merges(count: int) -> dict[str, Any]:
    """Return a ladder of merges, each of the two before it."""
    nodes = [node("start", "manual_trigger"), node("m0", "no_op"), node("m1", "no_op")]
    edges = [edge("start", "m0"), edge("start", "m1")]
    for n in range(2, count):
        nodes.append(node(f"m{n}", "merge"))
        edges += [edge(f"m{n - 1}", f"m{n}", "main", "input1"), edge(f"m{n - 2}", f"m{n}", "main", "input2")]
    for n, each in enumerate(nodes):
        each["name"] = f"Node {n}"
    return {"name": "Merges", "nodes": nodes, "edges": edges}


def attacks() -> dict[str, dict[str, Any]]:
    """Return a workflow for each way."""
    selectors = [{"into": f"f{n}", "selector": "div:has(p)" + " div" * n, "all": True} for n in range(50)]
    rows = "return [{ text: 'a,b,c\\n' + '1,2,3\\n'.repeat(190000) }]"
    deep = "return [{ text: '<a>' + '<b c=\"d\">e</b>'.repeat(200000) + '</a>' }]"
    return {
        "html_extract": _made(PAGE, node("extract", "html_extract", extract=selectors)),
        "set": _made(MANY_ITEMS, node("set", "set", fields={f"f{n}": f"{{{{ $json.n + {n} }}}}" for n in range(8)})),
        "filter": _made(MANY_ITEMS, *(node(f"f{n}", "filter", condition="{{ $json.n % 97 !== 1 }}") for n in range(4))),
        "sort": _made(MANY_ITEMS, *(node(f"s{n}", "sort", fields=[{"field": "text"}]) for n in range(6))),
        "csv": _made(rows, *(node(f"c{n}", "csv", field="text") for n in range(1))),
        "xml": _made(deep, node("x", "xml", field="text")),
        "code": _made("while (true);"),
        "expression": _made(
            "return [1,2,3,4,5,6,7,8,9].map(n => ({ n }))", node("set", "set", fields={"n": "{{ " + LOOP + " }}"})
        ),
        "wait": chain(
            *(node(f"w{n}", "wait", seconds="{{ (() => { " + LOOP + "; return 0.1 })() }}") for n in range(9))
        ),
        "outputs": _made(
            "return [{ text: 'x'.repeat(15e6) }]",
            *(node(f"n{n}", "set", fields={"n": "{{ $itemIndex }}"}) for n in range(9)),
        ),
        "aggregate": _made(MANY_ITEMS, node("a", "aggregate", into="all"), node("s", "split_out", field="all")),
        "merge": merges(900),
    }


SHORT = chain(
    *(node(f"n{n}", "set", fields={"n": f"{{{{ $itemIndex + {n} }}}}"}) for n in range(4)),
    node("code", "code", code="return [{ ok: true }]"),
    node("pause", "wait", seconds=0.1),
    node("last", "set", fields={"done": "{{ $json.ok }}"}),
)
