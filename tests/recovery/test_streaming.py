"""A short run of what `python -m tests.recovery.streaming` does for ten minutes."""

from __future__ import annotations

import random
from pathlib import Path

from tests.recovery import streaming


def test_whatever_dies_each_client_has_every_event_once_and_in_order(folder: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    done, summary = streaming.run(
        folder / "data", executions=15, seconds=4, pause=(0.4, 1.0), lease=2, seed=seed, only=streaming.FEW
    )
    assert done.failures == [], f"seed {seed}"
    assert summary["executions"] == 15
    assert all(client["events"] == summary["events"] for client in summary["clients"].values()), summary
