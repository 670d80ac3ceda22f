"""Deliveries to a receiver that fails at random, while workers are killed and Redis is killed or forgets everything.

`python -m tests.recovery.webhooks --deliveries 5000 --seconds 120 [--seed N]`; a short one is in the suite. In the end
every delivery has arrived, and whatever arrived more often than once is explained by attempts that are logged as lost.
Prints a JSON summary.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.webhooks import Lines, lines
from tests.installation import Installation, installation
from tests.recovery.disturbances import Disturbances
from workflow_platform.installation.embedded import ServerDidNotStart, wait_until

ENDPOINTS = 20
POLICY = {"preset": "custom", "delays_seconds": [0.1, 0.2, 0.4, *[1.0] * 46]}
TIMEOUT_SECONDS = 1.0
SETTLE_SECONDS = 120.0
KINDS = (
    "a worker is killed",
    "a worker is killed, and another",
    "Redis forgets everything",
    "Redis is killed",
    "the scheduler is killed",
)
LONG_KINDS = (*KINDS, "a worker freezes and goes on", "PostgreSQL is shut down at once")


@dataclass
class Run:
    """What was sent, and what is wrong with it."""

    platform: Installation
    receiver: Lines
    writer: Lines
    endpoints: list[str]
    failures: list[str] = field(default_factory=list)

    def write(self, deliveries: int, seconds: float) -> None:
        """Append the events that become deliveries, spread over the time."""
        appends = max(1, deliveries // ENDPOINTS)
        slices = max(1, int(seconds / 0.5))
        for number in range(slices):
            part = appends * (number + 1) // slices - appends * number // slices
            if part:
                self._append(part)
            time.sleep(seconds / slices * 0.5)

    def _append(self, part: int) -> None:
        """Append, and again if the database was away: what was rolled back is no event."""
        self.writer.call("append_surely", self.endpoints, part)

    def settle(self) -> None:
        """Wait until nothing is under way any more."""
        try:
            wait_until(self._settled, "The deliveries", SETTLE_SECONDS)
        except ServerDidNotStart:
            self.failures.append(f"not settled: {self.writer.call('counts', self.endpoints)}")

    def _settled(self) -> bool:
        return set(self.writer.call("counts", self.endpoints)) & {"pending", "sending"} == set()

    def compare(self) -> dict[str, Any]:
        """Hold the rows against what came."""
        made = {pk for pk, _ in self.writer.call("ids_of", self.endpoints)}
        came: dict[str, list[Any]] = self.receiver.ask("look")
        lost = Counter[str](
            dict(
                self.platform.query(
                    "SELECT 'msg_' || replace(delivery_id::text, '-', ''), count(*) FROM webhooks_deliveryattempt"
                    " WHERE outcome = 'lost' GROUP BY delivery_id"
                )
            )
        )
        counts = self.writer.call("counts", self.endpoints)
        if missing := [pk for pk in made if pk not in came or not came[pk][2]]:
            self.failures.append(f"{len(missing)} never arrived: {missing[:5]}")
        if counts.get("delivered", 0) != len(made):
            self.failures.append(f"not delivered: {counts}")
        again = {pk: seen[2] - 1 for pk, seen in came.items() if seen[2] > 1}
        if unexplained := [pk for pk, times in again.items() if lost[pk] < times]:
            self.failures.append(f"{len(unexplained)} came again for no reason: {unexplained[:5]}")
        if strangers := came.keys() - made:
            self.failures.append(f"{len(strangers)} came that nobody knows: {list(strangers)[:5]}")
        return {
            "deliveries": len(made),
            "requests": sum(seen[1] for seen in came.values()),
            "arrived again": sum(again.values()),
            "lost attempts": sum(lost.values()),
            "counts": counts,
        }


def run(
    folder: Path,
    *,
    deliveries: int,
    seconds: float,
    pause: tuple[float, float],
    lease: float,
    seed: int,
    only: Collection[str] = KINDS,
) -> tuple[Run, dict[str, Any]]:
    """Run and compare. Returns the run, whose `failures` tell what is wrong, and the summary."""
    settings = {"LEASE_SECONDS": f"{lease:g}", "HEARTBEAT_SECONDS": f"{lease / 5:g}", "WEBHOOK_BREAKER_FAILURES": "50"}
    with installation(folder, **settings) as platform:
        environment = platform.environment | {"DJANGO_SETTINGS_MODULE": "workflow_platform.settings"}
        with (
            lines("tests.benchmarks.webhook_receiver", environment) as receiver,
            lines("tests.benchmarks.webhook_writer", environment) as writer,
        ):
            url = f"http://127.0.0.2:{receiver.read()}/random"
            fields = {"retry_policy": POLICY, "timeout_seconds": TIMEOUT_SECONDS}
            made = Run(platform, receiver, writer, writer.call("endpoints", url, ENDPOINTS, **fields))
            disturbances = Disturbances(platform, seed, lease, only=only)
            writing = threading.Thread(target=made.write, args=(deliveries, seconds))
            writing.start()
            disturbances.run(seconds, pause)
            writing.join()
            made.settle()
            summary = {"seed": seed, "seconds": seconds} | made.compare()
        summary["disturbances"] = dict(Counter(disturbances.done))
        return made, summary


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recovery.webhooks", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--lease", type=float, default=10, help="LEASE_SECONDS")
    parser.add_argument("--folder", type=Path, help="where the data and the logs are kept")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wfp-webhooks-", ignore_cleanup_errors=True) as temporary:
        made, summary = run(
            wanted.folder or Path(temporary) / "data",
            deliveries=wanted.deliveries,
            seconds=wanted.seconds,
            pause=(1, 4),
            lease=wanted.lease,
            seed=wanted.seed,
            only=LONG_KINDS,
        )
    print(json.dumps(summary, indent=2))
    print("\n".join(made.failures) or "Nothing is wrong.")
    return 1 if made.failures else 0


if __name__ == "__main__":
    sys.exit(main())
