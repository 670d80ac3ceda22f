"""A short run of what `python -m tests.recovery.webhooks` does for two minutes."""

from __future__ import annotations

import random
from pathlib import Path

from tests.recovery import webhooks


def test_every_delivery_arrives_whatever_dies_and_what_arrives_again_is_explained(folder: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    done, summary = webhooks.run(
        folder / "data", deliveries=600, seconds=5, pause=(0.3, 0.9), lease=2, seed=seed, only=webhooks.KINDS
    )
    assert done.failures == [], f"seed {seed}: {summary}"
    assert summary["deliveries"] == 600
