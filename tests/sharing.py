"""A pytest plugin, named in pyproject.toml: which tests run one after the other when several processes share them.

Tests are grouped by the fixtures that they need. Each process has a database of its own, so that files that use only
that are groups by themselves and run anywhere. A platform is expensive to start, so few processes have one, and they
take the files that use it. Installations mostly wait, for leases and restarts: up to two processes run them while the
others compute. That is why `make test` has more processes than a small machine has cores.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests import started_servers

KINDS = {
    "folder": "installation",
    "another": "installation",
    "whole_site": "site",
    "browser": "browser",
    "platform": "platform",
}
"""What a test is, by the first of these fixtures that it needs. The order is that in which groups are handed out."""
AT_ONCE = {"installation": 2, "site": 1, "browser": 1}
"""How many processes run groups of a kind at the same time."""
USE_PLATFORM = {"browser", "platform"}
PLATFORMS = 3
"""How many processes start a platform."""


def pytest_configure_node(node: WorkerController) -> None:
    """Tell a process where to write the groups: fixtures are known only to those that collect the tests."""
    node.workerinput["groups"] = str(started_servers.folder / "groups.json")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write down the group of each test."""
    if path := getattr(config, "workerinput", {}).get("groups"):
        written = Path(f"{path}.{os.getpid()}")
        written.write_text(json.dumps({item.nodeid: group_of(item) for item in items}))
        written.rename(path)  # all processes write the same


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Stop the platform of this process when tests come that need only a database: those with a platform have ended.

    An idle platform takes a twentieth of a processor: its scheduler looks at the tables four times a second.
    """
    if "groups" not in getattr(item.config, "workerinput", {}) or _kind(group_of(item)) != "own":
        return
    request: Any = getattr(item, "_request", None)
    for fixture in item.session._fixturemanager.getfixturedefs("platform", item) or ():
        fixture.finish(request)  # and what uses it; it would start again


def group_of(item: pytest.Item) -> str:
    """Return `kind` or `kind:file`."""
    if item.get_closest_marker("timeout") is not None:  # longer than others may take: it must not be the last
        return f"long:{item.location[0]}"
    fixtures = getattr(item, "fixturenames", ())
    kind = next((kind for fixture, kind in KINDS.items() if fixture in fixtures), "own")
    if kind in {"site", "browser"}:  # they share a fixture that is expensive too
        return kind
    return f"{kind}:{item.location[0]}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    """Have the tests shared so."""
    return Sharing(config, log, started_servers.folder / "groups.json")


class Sharing(LoadScopeScheduling):
    """Hands out groups of tests: what takes long first. `groups` is a file that is there after the collection."""

    def __init__(self, config: pytest.Config, log: Producer, groups: Path) -> None:
        super().__init__(config, log)
        self._path = groups
        self._with_platform: set[WorkerController] = set()

    @cached_property
    def _groups(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text()))

    def _split_scope(self, nodeid: str) -> str:
        return self._groups[nodeid]

    def _assign_work_unit(self, node: WorkerController) -> None:
        group = next(self._choice(node), None) or next(iter(self.workqueue))
        self.workqueue.move_to_end(group, last=False)  # the next one is taken from the beginning
        if _kind(group) in USE_PLATFORM:
            self._with_platform.add(node)
        super()._assign_work_unit(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Take its work back: another process starts a platform in its place."""
        self._with_platform.discard(node)
        return super().remove_node(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:  # it replaces one that died, and is still collecting the tests
            return
        if self._nothing_for(node):
            node.shutdown()  # after what it has: the rest is for others
            return
        super()._reschedule(node)

    def _nothing_for(self, node: WorkerController) -> bool:
        """Return whether a process that needs a next group may run none of them. The last process may run all."""
        if not self.workqueue or node.shutting_down or self._pending_of(self.assigned_work[node]) > 2:
            return False
        others = any(other is not node and not other.shutting_down for other in self.nodes)
        return others and next(self._choice(node), None) is None

    def _choice(self, node: WorkerController) -> Iterator[str]:
        """Yield the groups that this process may run now, the best first."""
        ranks = {kind: rank for rank, kind in enumerate(["long", *KINDS.values()])}
        is_long = any(
            _kind(group) == "long" and not all(tests.values()) for group, tests in self.assigned_work[node].items()
        )
        for group in sorted(self.workqueue, key=lambda group: ranks.get(_kind(group), 99)):
            kind = _kind(group)
            if is_long and kind != "own":  # a process holds its next group early: another one runs this sooner
                continue
            if kind in AT_ONCE and self._elsewhere(kind, node) >= AT_ONCE[kind]:
                continue
            if kind in USE_PLATFORM and node not in self._with_platform and len(self._with_platform) >= PLATFORMS:
                continue
            yield group

    def _elsewhere(self, kind: str, node: WorkerController) -> int:
        """Return how many other processes have tests of a kind that have not ended."""
        return sum(
            any(_kind(group) == kind and not all(tests.values()) for group, tests in groups.items())
            for other, groups in self.assigned_work.items()
            if other is not node
        )


def _kind(group: str) -> str:
    return group.partition(":")[0]
