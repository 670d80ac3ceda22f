from __future__ import annotations

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


def test_authentication_is_refused_rather_than_ignored_while_it_is_not_there() -> None:
    ((where, code, _),) = node_types()["webhook_trigger"].check_parameters({"path": "a", "auth": {"type": "basic"}})
    assert (where, code) == ("parameters.auth", "not_supported")
