"""The ancestry of an execution, made of its stored node runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executions.domain.ancestry import ENTRY, Ancestry, RunKey, Source
from executions.domain.lineage import Lineage, input_order

References = Mapping[str, Sequence[Mapping[str, Any]]]
"""Where the input items of a node run came from, as `NodeRun.inputs` stores it."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What tracing needs of a stored node run."""

    key: RunKey
    inputs: References
    lineage: Lineage | None
    keep_open: bool


def sources_of(inputs: References) -> list[Source] | None:
    """Return where the input items are from, in the order in which lineage numbers them; None for node runs of a
    version that did not store the number of items."""
    sources = list[Source]()
    for name in sorted(inputs, key=input_order):
        for ref in inputs[name]:
            if "items" not in ref:
                return None
            sources.append(Source((ref["node"], ref["run_index"]), ref["output"], ref["items"]))
    return sources


def ancestry_of(runs: Iterable[StoredRun], entered: int) -> Ancestry | None:
    """Return the ancestry of ended node runs, in the order in which they were recorded; None if it is not stored.

    `entered` is the number of items with which the execution began: those of each node run without inputs.
    """
    ancestry = Ancestry()
    for run in runs:
        sources = sources_of(run.inputs)
        if sources is None:
            return None
        ancestry.began(run.key, sources or [Source((run.key[0], ENTRY), "", entered)])
        ancestry.ended(run.key, run.lineage, keep_open=run.keep_open)
    return ancestry
