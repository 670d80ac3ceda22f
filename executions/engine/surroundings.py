"""What expressions can ask about the node run that they are in, beside its items."""

from __future__ import annotations

from typing import Any

from executions.engine.definition import Definition


def of_node_run(definition: Definition) -> dict[str, Any]:
    """Return the `surroundings` of an `ExpressionScope`."""
    return {"timezone": definition.timezone}
