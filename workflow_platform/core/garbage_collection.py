"""How often Python's garbage collector runs while a process starts, and in long-lived processes."""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 20)


def pause_while_loading() -> None:
    """Run no collection until `resume_after_loading`: modules are no garbage, and to search them is a fifth of a start.

    For the first line of a program, before it imports the rest.
    """
    gc.disable()


def resume_after_loading() -> None:
    """Let the collector run again, and make it skip what has been loaded."""
    gc.freeze()
    gc.enable()


def spare_long_lived_objects() -> None:
    """Make the collector skip the objects that exist now, such as modules, and run less often.

    Otherwise it stops a web process to which a thousand clients connect at once for most of a second, and takes a large
    part of the time in which a worker runs short nodes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
