"""A node that computes the same again: recorded runs with equal input and equal output, and the time that they took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from executions.domain.graph import Node
from executions.domain.statuses import NodeRunStatus
from executions.insights.findings import Finding, seconds_text
from executions.insights.sample import SampledRun, WorkflowSample
from executions.models import InsightKind
from executions.nodes.registry import node_types

LEAST = 20
"""Runs with a known input and output."""
LEAST_HIT_RATE = 0.3
LEAST_SAVED_SECONDS = 5.0
LEAST_MEAN_MS = 50.0
NOTHING = "-"
"""The digest of a run without items."""

Identity = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run of a node: what it received, as digests, what it gave, and how long it took."""

    input: Identity
    output: str
    ended_at: datetime
    duration_ms: float


@dataclass(frozen=True, slots=True)
class CacheGain:
    """What a cache would have saved."""

    runs: int
    hits: int
    distinct: int
    saved_ms: float

    @property
    def hit_rate(self) -> float:
        """Return the share of runs that the cache would have answered."""
        return self.hits / self.runs


def gain(runs: Sequence[ComparedRun], ttl_seconds: float) -> CacheGain | None:
    """Return what a cache would have saved; None if runs with equal input gave different output."""
    stored: dict[Identity, tuple[str, datetime]] = {}
    hits, saved = 0, 0.0
    for run in sorted(runs, key=lambda each: each.ended_at):
        known = stored.get(run.input)
        if known is not None and known[0] != run.output:
            return None
        if known is not None and (run.ended_at - known[1]).total_seconds() <= ttl_seconds:
            hits, saved = hits + 1, saved + run.duration_ms
        else:
            stored[run.input] = (run.output, run.ended_at)
    return CacheGain(len(runs), hits, len(stored), saved)


def is_worth_it(found: CacheGain, mean_ms: float) -> bool:
    """Return whether the gain is an advice."""
    saves = found.saved_ms / 1000 >= LEAST_SAVED_SECONDS and mean_ms >= LEAST_MEAN_MS
    return found.runs >= LEAST and found.hit_rate >= LEAST_HIT_RATE and saves


def detect(sample: WorkflowSample) -> list[Finding] | None:
    """Return the nodes of the workflow that could use the cache."""
    if not settings.CACHE_ENABLED:
        return []
    compared = _compared(sample.runs)
    findings, decided = [], False
    for node_id, node in sample.nodes.items():
        runs = compared.get(node_id, [])
        if not may_be_cached(node) or len(runs) < LEAST:
            continue
        decided = True
        found = gain(runs, settings.CACHE_TTL_MS / 1000)
        mean = sum(run.duration_ms for run in runs) / len(runs)
        if found is not None and is_worth_it(found, mean):
            findings.append(_finding(sample, node, found, mean))
    return findings if decided else None


def may_be_cached(node: Node) -> bool:
    """Return whether a node without a cache could have one: it changes nothing outside."""
    kind = node_types().get(node.type)
    if kind is None or kind.trigger or not kind.cacheable or node.disabled or node.cache is not None:
        return False
    return kind.effect_of(node.parameters) in {"none", "reads"}


def _compared(runs: Iterable[SampledRun]) -> dict[str, list[ComparedRun]]:
    """Return the completed runs whose input and output are known, by node."""
    outputs = {(run.execution, run.node, run.run_index): _digest(run) for run in runs}
    compared: defaultdict[str, list[ComparedRun]] = defaultdict(list)
    for run in runs:
        if run.status != NodeRunStatus.COMPLETED or run.from_cache or run.taken_from is not None or not run.inputs:
            continue
        given, made = _identity(run, outputs), _digest(run)
        if given is not None and made and run.ended_at is not None and run.duration_ms is not None:
            compared[run.node].append(ComparedRun(given, made, run.ended_at, run.duration_ms))
    return compared


def _digest(run: SampledRun) -> str:
    return run.digest if run.output_items else NOTHING


def _identity(run: SampledRun, outputs: Mapping[tuple[Any, str, int], str]) -> Identity | None:
    """Return what the run received: the digests of the outputs; None if one is not known."""
    parts = []
    for name, sources in sorted(run.inputs.items()):
        for source in sources:
            index = int(source.get("run_index") or 0)
            digest = outputs.get((run.execution, source["node"], index), "")
            if not digest:
                return None
            parts.append((name, source.get("output"), digest, str(source.get("items"))))
    return tuple(parts)


def _finding(sample: WorkflowSample, node: Node, found: CacheGain, mean_ms: float) -> Finding:
    saved = found.saved_ms / 1000
    text = f"Cache: {found.hit_rate:.0%} of {found.runs} runs had been computed before; {seconds_text(saved)} saved"
    evidence = {
        "n": found.runs,
        "span_s": round(sample.span_seconds),
        "hits": found.hits,
        "hit_rate": round(found.hit_rate, 3),
        "distinct_inputs": found.distinct,
        "saved_s": round(saved, 3),
        "mean_ms": round(mean_ms, 1),
        "ttl_s": settings.CACHE_TTL_MS / 1000,
    }
    figure = {"value": round(saved, 3), "unit": "s", "text": text}
    action = {"type": "set_node", "node": node.id, "before": {"cache": None}, "changes": {"cache": {}}}
    workflow = sample.workflow
    about, subject = f"{workflow.pk}:{node.id}", sample.subject(node.id)
    return Finding(InsightKind.CACHE_NODE, workflow.workspace_id, about, subject, evidence, figure, workflow.pk, action)
