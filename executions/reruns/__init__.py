"""Reruns: a new execution from an ended one, as a whole or from a node, which reuses the outputs of earlier nodes."""

from __future__ import annotations

from executions.reruns.acting import ActingNode
from executions.reruns.bulk import (
    MAX_IN_BULK,
    MAX_PREVIEWED,
    ActingInBulk,
    RerunFilter,
    RerunReport,
    preview_many,
    rerun_many,
)
from executions.reruns.planning import MAX_REUSED, key_ahead, plan, preview, rerun
from executions.reruns.requests import FAILED, NODE_PREFIX, START, CannotRerun, NotEnded, RerunRequest

__all__ = [
    "FAILED",
    "MAX_IN_BULK",
    "MAX_PREVIEWED",
    "MAX_REUSED",
    "NODE_PREFIX",
    "START",
    "ActingInBulk",
    "ActingNode",
    "CannotRerun",
    "NotEnded",
    "RerunFilter",
    "RerunReport",
    "RerunRequest",
    "key_ahead",
    "plan",
    "preview",
    "preview_many",
    "rerun",
    "rerun_many",
]
