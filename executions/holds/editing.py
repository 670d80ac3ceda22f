"""Checks what a person says to a hold, and makes of it what the engine goes on with. It writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from executions.domain.digests import digest_of, digest_of_outputs
from executions.domain.errors import NodeError
from executions.domain.graph import Graph, InvalidGraph
from executions.engine.outputs import pack_outputs
from executions.holds.subjects import HoldSubject
from executions.models import Workflow
from executions.workflows import definitions
from workflow_platform.core.secrets.secret_names import MASK

MAX_ITEMS = 100_000
"""The most items in an edited input or output."""
FIELDS_OF = {"retry": ("input", "parameters", "latest"), "skip": ("output",), "route": ("to",), "fail": ()}
"""The actions that answer a hold after a failure, with the fields that they take."""


class BadAnswer(Exception):
    """The answer cannot be used; `field` names the part of it to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a hold. What is None is not given."""

    action: str
    input: Mapping[str, list[dict[str, Any]]] | None = None
    parameters: dict[str, Any] | None = None
    latest: bool | None = None
    output: Mapping[str, list[dict[str, Any]]] | None = None
    to: str | None = None


@dataclass(slots=True)
class Made:
    """What an answer comes to: the outcome of the hold, and what it changes: (what, digest before, digest after)."""

    outcome: dict[str, Any]
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, what: str, before: str, after: str) -> bool:
        """Note a change, unless nothing has changed. Returns whether something has."""
        if before == after:
            return False
        self.changes.append((what, before, after))
        return True


def made_of(subject: HoldSubject, answer: Answer) -> Made:
    """Return what the answer comes to. Raises BadAnswer, Unavailable."""
    _check_fields(answer)
    made = Made({"action": answer.action})
    if answer.input is not None:
        _edit_input(subject, answer.input, made)
    if answer.latest or answer.parameters is not None:
        _edit_definition(subject, answer, made)
    if answer.output is not None:
        _set_output(subject, answer.output, made)
    if answer.action == "route":
        made.outcome["to"] = _output_named(subject, "to", answer.to or subject.outputs[-1])
    if made.changes:
        made.outcome["what"] = [what for what, _, _ in made.changes]
    return made


def _check_fields(answer: Answer) -> None:
    allowed = FIELDS_OF[answer.action]
    for name in ("input", "parameters", "latest", "output", "to"):
        if getattr(answer, name) not in (None, False) and name not in allowed:
            takes = f"takes {', '.join(allowed)}" if allowed else "takes no further field"
            raise BadAnswer(name, f"The action {answer.action!r} {takes}. Leave {name!r} out.")


def _edit_input(subject: HoldSubject, input: Mapping[str, list[dict[str, Any]]], made: Made) -> None:
    if subject.type.type == "loop":
        raise BadAnswer("input", "The input of a loop cannot be edited. Edit its parameters, or rerun from the node.")
    names = subject.type.input_names(subject.definition.get("parameters") or {})
    if names is not None and (unknown := [name for name in input if name not in names]):
        known = ", ".join(map(repr, names)) or "none"
        raise BadAnswer("input", f"The node has no input {unknown[0]!r}. Its inputs: {known}.")
    given = {name: items for name, items in input.items() if items}
    if not given:
        raise BadAnswer("input", "The input has no item: a node does not run without one. Skip it instead.")
    before = subject.input()
    _check_items("input", given)
    _refuse_masks("input", given, before)
    if made.note("input", digest_of_outputs(before), digest_of_outputs(given)):
        made.outcome["input"] = given


def _set_output(subject: HoldSubject, output: Mapping[str, list[dict[str, Any]]], made: Made) -> None:
    for name in output:
        _output_named(subject, "output", name)
    _check_items("output", output)
    _refuse_masks("output", output, {})
    made.outcome["output"] = given = {name: items for name, items in output.items() if items}
    made.note("output", "", digest_of_outputs(given))


def _output_named(subject: HoldSubject, field: str, name: str) -> str:
    if name not in subject.outputs:
        known = ", ".join(map(repr, subject.outputs))
        raise BadAnswer(field, f"The node has no output {name!r}. Its outputs: {known}.")
    return name


def _check_items(field: str, items: Mapping[str, list[dict[str, Any]]]) -> None:
    if (count := sum(map(len, items.values()))) > MAX_ITEMS:
        raise BadAnswer(field, f"At most {MAX_ITEMS} items are allowed; {count} are given.")
    try:
        pack_outputs(items)
    except NodeError as error:
        raise BadAnswer(field, str(error)) from None


# --- the definition --------------------------------------------------------------------------------------------------


def _edit_definition(subject: HoldSubject, answer: Answer, made: Made) -> None:
    """Take the node from the latest version, or its parameters from the answer, or both."""
    before = subject.definition
    after = _latest(subject) if answer.latest else dict(before)
    if answer.latest:
        made.note("definition", digest_of(_of_run(before)), digest_of(_of_run(after)))
    if answer.parameters is not None:
        old = after.get("parameters") or {}
        _refuse_masks("parameters", answer.parameters, old)
        made.note("parameters", digest_of(old), digest_of(answer.parameters))
        after = after | {"parameters": answer.parameters}
    if {"definition", "parameters"} & {what for what, _, _ in made.changes}:
        _check_node(subject, after)
        made.outcome["node"] = after


def _of_run(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a definition matters to a run of the node."""
    return {name: value for name, value in node.items() if name not in {"position", "name"}}


def _latest(subject: HoldSubject) -> dict[str, Any]:
    workflow = Workflow.objects.select_related("latest_version").get(pk=subject.execution.workflow_id)
    version = workflow.latest_version
    nodes = version.nodes if version is not None and workflow.deleted_at is None else []
    node = next((each for each in nodes if each["id"] == subject.run.node_id), None)
    if node is None:
        raise BadAnswer("latest", f"The latest version of the workflow has no node {subject.run.node_id!r}.")
    if node["type"] != subject.run.node_type:
        raise BadAnswer(
            "latest",
            f"In the latest version the node {subject.run.node_id!r} is of the type {node['type']!r}, not"
            f" {subject.run.node_type!r}. Rerun the execution with the latest version instead.",
        )
    return dict(node)


def _check_node(subject: HoldSubject, node: dict[str, Any]) -> None:
    """Check a definition in its version as a save does. Raises BadAnswer with the problems of this node."""
    execution, version = subject.execution, subject.execution.version
    nodes = [node if each["id"] == node["id"] else each for each in version.nodes]
    try:
        definition = {"nodes": nodes, "edges": version.edges}
        checked = definitions.check_ahead(execution.workspace, definition)
        workspace = execution.workspace_id
        definitions.check(
            nodes,
            version.edges,
            [workspace],
            execution.workflow.name,
            checked.refused,
            group=str(workspace),
            verdicts=checked.verdicts,
        )
        Graph.parse([node], [])
    except InvalidGraph as error:
        own = [problem for problem in error.problems if problem.node == node["id"]]
        if own:
            raise BadAnswer(own[0].field, own[0].message) from None


# --- secrets ---------------------------------------------------------------------------------------------------------


def _refuse_masks(field: str, value: Any, before: Any) -> None:
    """Refuse a value with the mask of a secret that was not there before: the secret itself would be lost."""
    known = {text for _, text in _masks_in(before, "")}
    for path, text in _masks_in(value, field):
        if text not in known:
            raise BadAnswer(
                path,
                f"The value contains {MASK}, which stands for a secret that is not shown. Enter the whole value, or"
                " leave the field as it was.",
            )


def _masks_in(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if MASK in value:
            yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _masks_in(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _masks_in(inner, f"{path}[{index}]")
