"""How often Python's garbage collector runs in long-lived processes."""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 20)


def spare_long_lived_objects() -> None:
    """Make the collector skip the objects that exist now, such as modules, and run less often.

    Otherwise it stops a web process to which a thousand clients connect at once for most of a second, and takes a large
    part of the time in which a worker runs short nodes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
