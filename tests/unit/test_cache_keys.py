"""The key of a cached result: everything that the result depends on, and nothing else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from executions.cache import execution_key, node_key
from executions.domain.errors import NodeError
from executions.domain.expressions import Evaluator, ExpressionScope
from executions.domain.graph import Node
from executions.domain.items import Items
from executions.nodes.base import NodeContext
from executions.nodes.registry import node_types

HERE, THERE = UUID(int=1), UUID(int=2)


def key(
    type_: str = "http_request",
    items: Items | None = None,
    *,
    workspace: UUID = HERE,
    nodes: dict[str, Items] | None = None,
    scope: dict[str, Any] | None = None,
    further: dict[str, Any] | None = None,
    credentials: str | None = None,
    **parameters: Any,
) -> str:
    items = [{"n": 1}] if items is None else items
    if type_ == "http_request":
        parameters = {"url": "https://example.com/{{ $json.n }}"} | parameters
    node_type = node_types()[type_]
    node = Node(id="node", type=type_, parameters=parameters, credentials=credentials)
    named = {name: lambda given=given: given for name, given in (nodes or {}).items()}
    context: NodeContext[Any] = NodeContext(
        node=node,
        parameters_type=node_type.Parameters,
        inputs={"main": items},
        evaluator=Evaluator(ExpressionScope(items, named, **(scope or {}))),  # type: ignore[arg-type]
        idempotency_key="execution/node/0",
        log=lambda level, message: None,
        **(further or {}),
    )
    context.resolved = {}
    return node_key(workspace, node_type, context)


def test_the_same_question_has_the_same_key() -> None:
    assert key() == key()
    assert key(url="https://example.com/{{ $json.n }}") == key(url="https://example.com/{{ 3 - 2 }}")


def test_fields_in_another_order_are_another_question() -> None:
    """The columns of a CSV file hang on it, for example."""
    assert key(items=[{"n": 1, "m": 2}]) != key(items=[{"m": 2, "n": 1}])


@pytest.mark.parametrize(
    "other",
    [
        {"workspace": THERE},
        {"method": "DELETE"},
        {"url": "https://example.com/{{ $json.n + 1 }}"},
        {"headers": {"Accept": "text/plain"}},
        {"items": [{"n": 2}]},
        {"items": [{"n": 1}, {"n": 1}]},
        {"items": [{"n": 1, "unused": True}]},
        {"credentials": "a key"},
        {"type_": "no_op"},
    ],
)
def test_another_question_has_another_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_parameters_of_every_item_count() -> None:
    items = [{"n": 1}, {"n": 2}]
    url = "https://example.com/{{ $('Before').first().json.at }}/{{ $itemIndex && $('Before').last().json.at }}"
    keys = {key(items=items, url=url, nodes={"Before": [{"at": "a"}, {"at": at}]}) for at in ("b", "c")}
    assert len(keys) == 2


def test_another_version_of_the_node_type_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(type(node_types()["http_request"]), "version", 2)
    assert key() != before


def test_a_changed_credential_has_another_key() -> None:
    marks = [{"further": {"mark_credential": lambda name, at=at: [name, at]}, "credentials": "k"} for at in (1, 2)]
    assert key(**marks[0]) != key(**marks[1])  # type: ignore[arg-type]


def test_code_depends_on_the_nodes_that_it_names_and_on_no_other() -> None:
    code = "return $('Before').all()"
    told = key("code", code=code, nodes={"Before": [{"a": 1}], "Other": [{"a": 1}]})
    assert told == key("code", code=code, nodes={"Before": [{"a": 1}], "Other": [{"a": 2}]})
    assert told != key("code", code=code, nodes={"Before": [{"a": 2}], "Other": [{"a": 1}]})
    assert told != key("code", code=f"{code};", nodes={"Before": [{"a": 1}], "Other": [{"a": 1}]})


def test_code_depends_on_the_variables_and_on_the_execution_only_if_it_names_it() -> None:
    scopes: list[dict[str, Any]] = [{"execution": {"id": "1"}}, {"execution": {"id": "2"}}, {"vars": {"a": 1}}]
    quiet = [key("code", code="return [{}]", scope=scope) for scope in scopes]
    assert quiet[0] == quiet[1] != quiet[2]
    naming = [key("code", code="return [$execution]", scope=scope) for scope in scopes[:2]]
    assert naming[0] != naming[1]


def test_what_the_key_was_made_of_is_what_the_node_works_with() -> None:
    node_type = node_types()["http_request"]
    node = Node(id="node", type="http_request", parameters={"url": "https://example.com/{{ Math.random() }}"})
    context: NodeContext[Any] = NodeContext(
        node=node,
        parameters_type=node_type.Parameters,
        inputs={"main": [{}]},
        evaluator=Evaluator(ExpressionScope([{}])),
        idempotency_key="execution/node/0",
        log=lambda level, message: None,
        resolved={},
    )
    node_key(HERE, node_type, context)
    assert context.parameters(0).url == context.parameters(0).url


def test_a_parameter_without_a_value_is_told_and_has_no_key() -> None:
    with pytest.raises(NodeError):
        key(url="{{ missing.field }}")


def test_an_execution_depends_on_workspace_version_trigger_node_and_input() -> None:
    asked: list[Any] = [HERE, UUID(int=3), "start", [{"n": 1}]]
    others: list[Any] = [THERE, UUID(int=4), "hook", [{"n": 2}]]
    keys = {execution_key(*asked)}
    keys |= {execution_key(*[*asked[:i], other, *asked[i + 1 :]]) for i, other in enumerate(others)}
    assert len(keys) == 5
    assert execution_key(*asked) in keys
