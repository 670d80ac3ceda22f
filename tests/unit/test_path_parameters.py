"""Paths of webhooks with parameters: which requests they match."""

from __future__ import annotations

import pytest

from executions.nodes.registry import node_types
from executions.triggers.path_parameters import candidates, canonical, matches, parameters_of, requested, with_names


@pytest.mark.parametrize(
    ("trigger_path", "path", "values"),
    [
        ("users/:id", "users/7", {"id": "7"}),
        ("users/:id", "users/ä b@c", {"id": "ä b@c"}),
        ("users/:id", "users/:id", {"id": ":id"}),
        ("users/:id/orders/:order", "users/7/orders/x.y", {"id": "7", "order": "x.y"}),
        ("users/:id", "users", None),
        ("users/:id", "users/7/8", None),
        ("users/:id", "users/", None),
        ("users/:id", "other/7", None),
    ],
)
def test_a_parameter_matches_one_part(trigger_path: str, path: str, values: dict[str, str] | None) -> None:
    assert matches(trigger_path, path) == (values is not None)
    if values is not None:
        assert parameters_of(trigger_path, f"slug/{path}") == values


@pytest.mark.parametrize(
    ("raw", "path", "found", "value"),
    [
        ("x/a%2Fb", "x/a/b", ["x/a/b", "x/:"], "a/b"),
        ("x/%2fb%2F/", "x//b//", ["x/:"], "/b/"),
        ("x/a%252Fb", "x/a%2Fb", ["x/:"], "a%2Fb"),
        ("x/a%25b", "x/a%b", ["x/:"], "a%b"),
        ("x/%C3%A9%20", "x/é ", ["x/:"], "é "),
        (None, "x/a%2Fb", ["x/:"], "a%2Fb"),
        (None, "x/a/b", ["x/a/b", "x/a/:", "x/:/b", "x/:/:"], None),
        ("x/other", "x/b", ["x/b", "x/:"], "b"),
        ("x%2Fb", "x/b", ["x/b"], None),
        ("slug%2Fx/b", "slug/x/b", ["slug/x/b"], None),
        ("x%2F%C3%A9", "x/é", [], None),
        ("x/..%2F..%2Fy", "x/../../y", ["x/../../y", "x/:"], "../../y"),
    ],
)
def test_a_path_is_split_before_its_parts_are_decoded(
    raw: str | None, path: str, found: list[str], value: str | None
) -> None:
    given = requested(path, raw)
    assert candidates(given) == found
    if value is not None:
        assert parameters_of("x/:id", given) == {"id": value}


def test_the_most_specific_path_goes_first_and_the_first_part_is_literal() -> None:
    assert candidates("a/b/c") == ["a/b/c", "a/b/:", "a/:/c", "a/:/:"]
    assert candidates("a/é/c") == ["a/:/c", "a/:/:"]
    assert candidates("é/b") == candidates("a//b") == candidates("a/" + "b" * 3000) == []
    assert candidates("/".join("abcdefgh")) == ["a/b/c/d/e/f/g/h"]
    assert len(candidates("/".join("abcdefg"))) == 64


def test_names_are_no_part_of_a_route() -> None:
    assert canonical("users/:id") == canonical("users/:name") == "users/:"
    assert with_names("slug/users/:", "users/:id") == "slug/users/:id"


@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("users/:id", True),
        (":id", False),
        ("a/:", False),
        ("a/:1", False),
        ("a/:x/:x", False),
        ("a/:b/c/d/e/f/g", False),
    ],
)
def test_paths_are_checked_when_they_are_saved(path: str, is_allowed: bool) -> None:
    assert (node_types()["webhook_trigger"].check_parameters({"path": path}) == []) == is_allowed


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"allowed_origins": ["https://shop.example", "*", "null"]}, None),
        ({"allowed_origins": ["shop.example"]}, "parameters.allowed_origins"),
        ({"allowed_origins": ["https://shop.example/x"]}, "parameters.allowed_origins"),
        ({"default_response": {"status": 204}}, None),
        ({"default_response": {"headers": {"Set-Cookie": "a"}}}, "parameters.default_response"),
        ({"default_response": {"body": {"a": "{{ 1 }}"}}}, "parameters.default_response"),
    ],
)
def test_origins_and_default_responses_are_checked_too(given: dict[str, object], field: str | None) -> None:
    problems = node_types()["webhook_trigger"].check_parameters({"path": "a", **given})
    assert [path for path, _, _ in problems] == ([field] if field else [])
