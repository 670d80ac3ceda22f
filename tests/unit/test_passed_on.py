"""Expressions that only pass on a value do not change it; all others are JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.expressions import Budget, BudgetExceeded, Evaluator, ExpressionError, ExpressionScope
from executions.domain.items import pack

BIG = 7615917337495251231
ITEM = {"id": BIG, "order": {"zip": BIG, "10": 1.0, "9": 1e20, "list": [BIG]}, "wei": 1e20, "whole": 1.0, "s": "x"}
SCOPE = ExpressionScope(
    [{"id": 1}, ITEM], {"Orders": lambda: [ITEM, {"id": BIG + 1}], "empty": list}, {"id": "e"}, {"id": "w"}, {"v": BIG}
)


def resolved(template: Any) -> Any:
    return Evaluator(SCOPE, time_limit=5).resolve(template, 1)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ $json.id }}", BIG),
        ("{{$json['id']}}", BIG),
        ("{{ $input.item.json.id }}", BIG),
        ("{{ $input.first().json.id }}", 1),
        ("{{ $input.last().json.id }}", BIG),
        ("{{ $('Orders').first().json.id }}", BIG),
        ('{{ $("Orders").last().json.id }}', BIG + 1),
        ("{{ $vars.v }}", BIG),
        ("{{ ( $json.id ) }}", BIG),
        ("{{ ($json.id) + ($json.order.zip) }}", 2 * 7615917337495251000),
        ("{{ $json?.id }}", BIG),
        ("{{ $json.order?.list?.[0] }}", BIG),
        ("{{ $json.absent?.x?.['y'] }}", None),
        ("{{ $('Orders').all()[1].json.id }}", BIG + 1),
        ("{{ $json }}", ITEM),
        ("{{ $json.order }}", ITEM["order"]),
        ("{{ $json.order.list[0] }}", BIG),
        ("{{ $json.absent }}", None),
        ("{{ $json.s.length }}", 1),
        ("{{ $json.whole }}", 1),
        ("id {{ $json.id }}, {{ $json.wei }}", f"id {BIG}, 100000000000000000000"),
        ('{"order": {{ $json.order }}}', '{"order": {"zip":7615917337495251231,"10":1,"9":100000000000000000000,'
         '"list":[7615917337495251231]}}'),
        ({"a": ["{{ $json.id }}"]}, {"a": [BIG]}),
        ("{{ $json.id + 0 }}", BIG),
        ("{{ $json.id + 4096 }}", 7615917337495255000),
        ("{{ ({...$json}).order.zip }}", BIG),
    ],
)  # fmt: skip
def test_a_value_that_is_passed_on_stays_what_it_is(template: Any, value: Any) -> None:
    found = resolved(template)
    assert found == value
    if isinstance(value, dict) and isinstance(found, dict):
        assert list(found) == list(value)


def test_the_item_of_a_node_is_passed_on_by_both_words() -> None:
    pairings = {"Orders": lambda: {"index": [1, 0], "items": None, "errors": []}}
    scope = ExpressionScope([{}, {}], {"Orders": lambda: [{"id": BIG}, {}]}, pairings=pairings)
    for word in ('$("Orders").item', "$node['Orders']", "$node.Orders"):
        assert Evaluator(scope, time_limit=5).resolve("{{ " + word + ".json.id }}", 1) == BIG


def test_a_value_that_is_passed_on_is_a_copy() -> None:
    resolved("{{ $json.order }}")["list"].append(0)
    assert ITEM["order"]["list"] == [BIG]  # type: ignore[index]


@pytest.mark.parametrize("template", ["{{ $('None').first().json.id }}", "{{ $json.absent.x }}", "{{ $json. }}"])
def test_what_is_wrong_is_said_by_javascript(template: str) -> None:
    with pytest.raises(ExpressionError):
        resolved(template)


def test_packed_items_are_parsed_only_where_nobody_waits() -> None:
    items, _ = pack([{"id": BIG, "text": "x" * 70_000}])
    assert Evaluator(ExpressionScope(items)).resolve("{{ $json.id }}") == BIG
    with pytest.raises(BudgetExceeded):
        Evaluator(ExpressionScope(items), budget=Budget()).resolve("{{ $json.id }}")


def test_half_a_character_becomes_a_replacement_character() -> None:
    scope = ExpressionScope([{"t": "ab😀cd"}])
    evaluator = Evaluator(scope)
    assert evaluator.resolve("{{ $json.t.slice(0, 3) }}") == "ab\ufffd"
    assert evaluator.resolve("{{ ({[$json.t.slice(0, 3)]: '\\\\ud83d'}) }}") == {"ab\ufffd": r"\ud83d"}
    with pytest.raises(ExpressionError, match="Error: ab\ufffd"):
        evaluator.resolve("{{ (() => { throw new Error($json.t.slice(0, 3)) })() }}")
