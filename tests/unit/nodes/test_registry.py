from __future__ import annotations

import json
import re
from typing import Any

import pytest

from executions.nodes.registry import node_types


def models(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schema of the parameters and of the objects within them."""
    return [schema, *schema.get("$defs", {}).values()]


@pytest.mark.parametrize("type_", sorted(node_types()))
def test_a_form_can_be_made_of_every_node_type(type_: str) -> None:
    described = node_types()[type_].describe()
    assert json.loads(json.dumps(described)) == described
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", described["icon"])
    assert described["label"]
    assert described["description"].endswith(".")
    for model in models(described["parameters"]):
        for name, field in model.get("properties", {}).items():
            assert field.get("title"), name
            assert field.get("title") != name, name


def test_secrets_are_password_fields() -> None:
    defined = node_types()["postgres"].describe()["parameters"]["$defs"]["PostgresConnection"]["properties"]
    assert defined["password"]["format"] == "password"
    assert node_types()["crypto"].describe()["parameters"]["properties"]["secret"]["format"] == "password"
