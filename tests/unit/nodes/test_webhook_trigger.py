from __future__ import annotations

from typing import Any

import pytest

from executions.nodes.registry import node_types
from tests.unit.nodes.running import run

REQUEST = {"method": "POST", "path": "a", "headers": {}, "query": {}, "body": {"n": 1}}


def test_its_item_is_the_request() -> None:
    assert run("webhook_trigger", REQUEST, path="a").outputs == {"main": [REQUEST]}


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a b", "a?b", "ä", "a/"])
def test_a_path_that_no_request_could_have_is_refused(path: str) -> None:
    ((field, _, _),) = node_types()["webhook_trigger"].check_parameters({"path": path})
    assert field == "parameters.path"


def test_a_method_that_does_not_exist_is_refused() -> None:
    ((field, _, _),) = node_types()["webhook_trigger"].check_parameters({"path": "a", "methods": ["FETCH"]})
    assert field == "parameters.methods[0]"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"path": "test/a"}, "path"),
        ({"path": "resume"}, "path"),
        ({"path": "{{ 1 }}"}, "path"),
        ({"auth": "{{ 1 }}"}, "auth"),
        ({"auth": {"type": "oauth"}}, "auth"),
        ({"auth": {"type": "github"}}, "auth.credential"),
        ({"auth": {"type": "hmac", "credential": "c", "header": "a b"}}, "auth.header"),
        ({"auth": {"type": "hmac", "credential": "c", "header": "{{ 1 }}"}}, "auth.header"),
        ({"auth": {"type": "stripe", "credential": "c", "tolerance_seconds": 0}}, "auth.tolerance_seconds"),
        ({"auth": {"type": "none", "credential": "c"}}, "auth.credential"),
        ({"auth": {"type": "basic", "credential": "c", "also": [1]}}, "auth.also[0]"),
        ({"allow_from": ["10.0.0.0/33"]}, "allow_from"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(given: dict[str, Any], field: str) -> None:
    ((where, _, message),) = node_types()["webhook_trigger"].check_parameters({"path": "a"} | given)
    assert where == f"parameters.{field}"
    assert message


def test_every_credential_that_it_names_is_known() -> None:
    auth = {"type": "basic", "credential": "new", "also": ["old", 7]}
    named = list(node_types()["webhook_trigger"].credentials_of({"path": "a", "auth": auth}))
    assert named == [("parameters.auth.credential", "new"), ("parameters.auth.also[0]", "old")]
