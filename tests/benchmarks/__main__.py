"""`make bench`: one JSON line per figure, each beside a bare baseline that was measured in the same run."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tests.servers import servers


def report(figure: str, unit: str, value: float, baseline: float, **further: Any) -> None:
    """Print a figure: `ratio` is value / baseline."""
    line = {"figure": figure, "unit": unit, "value": round(value, 2), "baseline": round(baseline, 2)}
    print(json.dumps(line | {"ratio": round(value / baseline, 2)} | further), flush=True)


def main() -> int:
    with servers() as folder:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_platform.settings")
        from tests.benchmarks import outbound, streaming

        streaming.run(folder, report)
        outbound.run(folder, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
