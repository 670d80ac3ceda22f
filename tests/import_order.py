"""Whether each module of some packages can be the first of them that a process imports.

To import each in a process of its own takes a minute of CPU time, for each brings most of the others along. But only a
cycle of imports makes the order matter: modules outside a cycle may be there already when one that imports them is
tried. So the cycles are found first, and then a process loads the modules from the bottom up. It tries each member of a
cycle in a fork, which loads no more than the cycle.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from executions.domain.components import Components
from tests.forking import in_a_fork

Errors = dict[str, str]
_bootstrap: Any = importlib._bootstrap
"""What `import_module` calls, whichever name it was imported under."""


def errors_of_first_imports(names: Sequence[str], kept: Callable[[str], bool]) -> Errors:
    """Import each of these modules as the first of their packages. Returns the errors. Modules that are `kept` stay
    loaded."""
    roots = {name.partition(".")[0] for name in names}
    edges, errors = in_a_fork(lambda: _edges(names, roots, kept))
    return errors or in_a_fork(lambda: _in_order(names, Components(edges), roots, kept))


def _edges(names: Sequence[str], roots: set[str], kept: Callable[[str], bool]) -> tuple[dict[str, list[str]], Errors]:
    """Return which modules each module imports while it is loaded, and the errors if they cannot be found out."""
    _forget(roots, kept)
    edges: dict[str, dict[str, None]] = {}
    errors = {}
    with _noting(roots, edges):
        for name in names:
            if error := _error_of(name):
                errors[name] = error
    all_names = dict.fromkeys([*names, *edges, *(target for imported in edges.values() for target in imported)])
    return {name: list(edges.get(name, ())) for name in all_names}, errors


def _in_order(names: Sequence[str], components: Components, roots: set[str], kept: Callable[[str], bool]) -> Errors:
    _forget(roots, kept)
    gc.disable()
    gc.freeze()
    wanted, errors = set(names), {}
    for members in components.members:  # what is imported comes before what imports it
        for name in wanted.intersection(members) if len(members) > 1 else ():
            if error := in_a_fork(lambda: (_error_of(name),))[0]:  # noqa: B023
                errors[name] = error
        for name in members:
            if (error := _error_of(name)) and len(members) == 1:
                errors[name] = error
    return errors


def _forget(roots: set[str], kept: Callable[[str], bool]) -> None:
    for known in list(sys.modules):
        if known.partition(".")[0] in roots and not kept(known):
            del sys.modules[known]


def _error_of(name: str) -> str:
    try:
        import_module(name)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _noting(roots: set[str], edges: dict[str, dict[str, None]]) -> Iterator[None]:
    """Note each import that happens while a module of `roots` is loaded: by a statement, or by a call with a name."""
    statement, call = builtins.__import__, _bootstrap._gcd_import

    def note(targets: Iterable[str]) -> None:
        if (importer := _module_being_loaded(roots)) is not None:
            imported = edges.setdefault(importer, {})
            for target in targets:
                parts = target.split(".")
                if parts[0] in roots:
                    imported.update(dict.fromkeys(".".join(parts[:n]) for n in range(1, len(parts) + 1)))
            imported.pop(importer, None)

    def importing(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        base = importlib.util.resolve_name("." * level + name, (globals or {}).get("__package__")) if level else name
        note([base])
        module = statement(name, globals, locals, fromlist, level)
        note(inner for item in fromlist or () if (inner := f"{base}.{item}") in sys.modules)
        return module

    def calling(name: str, package: str | None = None, level: int = 0) -> Any:
        module = call(name, package, level)
        note([name])  # not before: who looks for plugins tries names that do not exist
        return module

    builtins.__import__, _bootstrap._gcd_import = importing, calling
    try:
        yield
    finally:
        builtins.__import__, _bootstrap._gcd_import = statement, call


def _module_being_loaded(roots: set[str]) -> str | None:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            name = str(frame.f_globals.get("__name__", ""))
            if name.partition(".")[0] in roots:
                return name
        frame = frame.f_back  # type: ignore[assignment]
    return None
