"""A bounded chaos run; `python -m tests.recovery.chaos` is the long one."""

from __future__ import annotations

import random
from pathlib import Path

from tests.recovery import chaos


def test_whatever_dies_every_execution_ends_once_and_as_it_should(folder: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    done = chaos.run(folder / "data", executions=40, seconds=10, pause=(0.4, 1.2), lease=2, seed=seed)
    assert done.failures == [], f"seed {seed}"
