"""The AsyncAPI document: the protocol from protocol.yaml, with the events' schemas from the catalogue."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import models_json_schema

from events.catalogue.event_types import CATALOGUE

SOURCE = Path(__file__).with_name("protocol.yaml")
EXPORTED = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
"""What `manage.py export_asyncapi` writes."""
_REF = "#/components/schemas/{model}"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@cache
def as_yaml() -> str:
    """Return the whole document."""
    document = yaml.safe_load(SOURCE.read_text())
    document["components"]["schemas"] |= event_schemas()
    # Wide enough that no key is wrapped: YAML parsers differ on wrapped keys.
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def event_schemas() -> dict[str, Any]:
    """Return the schemas by name: of each event type, of its payload, and `Event`, which is any event."""
    models = sorted(set(CATALOGUE.values()), key=lambda model: model.__name__)
    _, carried = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    events = {
        type_: {
            "allOf": [
                {"$ref": _REF.format(model="Envelope")},
                {"properties": {"type": {"const": type_}, "data": {"$ref": _REF.format(model=payload.__name__)}}},
            ]
        }
        for type_, payload in CATALOGUE.items()
    }
    any_ = {"oneOf": [{"$ref": _REF.format(model=type_)} for type_ in events], "discriminator": "type"}
    return {"Event": any_, **events, **carried["$defs"]}
