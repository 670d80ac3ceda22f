"""Rollups: executions and node runs counted by minute, by hour, and since the beginning, from the event log.

`advance` counts new events, `folding` keeps the tables small, and `reading` is for pages, metrics and insights.
"""

from executions.rollups.advancing import advance
from executions.rollups.thread import RollupThread

__all__ = ["RollupThread", "advance"]
