"""Histograms of durations with fixed bounds, as rollups keep them: how many durations each bin counts."""

from __future__ import annotations

from collections.abc import Sequence

BOUNDS_MS = (
    2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 21_600_000, 86_400_000,
)  # fmt: skip
"""The greatest duration of each bin, in milliseconds; a last bin counts what is longer. They never change: the counts
of earlier rows would mean something else."""
BINS = len(BOUNDS_MS) + 1


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Return the duration in milliseconds below which a share (0 to 1) of the durations are; None without any.

    It is interpolated within its bin, so it is as exact as the bin is wide. Of the last bin, its beginning is returned.
    """
    total = sum(counts)
    if not total:
        return None
    rank, passed = share * total, 0
    for index, count in enumerate(counts):
        if count and passed + count >= rank:
            if index == len(BOUNDS_MS):
                break
            low = BOUNDS_MS[index - 1] if index else 0
            return low + (BOUNDS_MS[index] - low) * max(rank - passed, 0) / count
        passed += count
    return float(BOUNDS_MS[-1])
