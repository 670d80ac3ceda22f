"""Every module of the project can be the first that a process imports."""

from __future__ import annotations

import gc
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

ROOTS = ("workflow_platform", "events", "executions", "webhooks")
LOADED_BY_DJANGO = ("models", "apps", "settings", "migrations", "wiring", "admin")
"""What `django.setup()` has to load before anything else, and what runs once."""


def modules() -> Iterator[str]:
    """Yield the names of all modules of the project that a process may import first."""
    for root in ROOTS:
        for module in pkgutil.walk_packages(import_module(root).__path__, f"{root}."):
            parts = module.name.split(".")
            if not any(part in LOADED_BY_DJANGO for part in parts) and parts[-1] != "__main__":
                yield module.name


def _in_a_fork(work: Callable[[], str]) -> str:
    """Return what `work` returns in a fork of this process, or its error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            result = work()
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        with os.fdopen(writer, "w") as pipe:
            pipe.write(result)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        result = pipe.read()
    os.waitpid(pid, 0)
    return result


def _import_each(names: list[str]) -> str:
    """Forget the project's modules but its models, then import each of these in a fork. Returns the errors."""
    for known in list(sys.modules):
        parts = known.split(".")
        if parts[0] in ROOTS and not any(part in LOADED_BY_DJANGO for part in parts):
            del sys.modules[known]
    gc.disable()
    gc.freeze()

    def imports(name: str) -> str:
        import_module(name)
        return ""

    errors = {name: error for name in names if (error := _in_a_fork(lambda: imports(name)))}  # noqa: B023
    return "\n".join(f"{name}: {error}" for name, error in errors.items())


@pytest.mark.timeout(600)  # a fork for each module: it begins early, as all that may take long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads: it only imports
def test_any_module_can_be_imported_first() -> None:
    names = list(modules())
    assert len(names) > 300
    assert _in_a_fork(lambda: _import_each(names)) == ""
