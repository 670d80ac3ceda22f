"""The node type `iban`: routes items by whether their bank account number is valid."""

from __future__ import annotations

import re

from pydantic import Field

from executions.nodes.base import NodeContext, NodeError, NodeResult, NodeType, Parameters


class IbanParameters(Parameters):
    value: str = Field(title="IBAN", description="The account number of an item, such as {{ $json.iban }}.")
    countries: list[str] = Field([], title="Countries", description="Country codes that are accepted; empty: all.")


class Iban(NodeType[IbanParameters]):
    type = "iban"
    label = "IBAN"
    description = "Routes items by whether their bank account number is valid."
    icon = "switch"
    category = "flow"
    Parameters = IbanParameters
    outputs = ("valid", "invalid")
    computes = True

    def run(self, context: NodeContext[IbanParameters]) -> NodeResult:
        outputs = {"valid": [], "invalid": []}
        for index, item in enumerate(context.items):
            parameters = context.parameters(index)
            number = re.sub(r"\s", "", parameters.value).upper()
            if not number:
                raise NodeError(f"parameters.value: the IBAN is empty (item {index}).")
            accepted = not parameters.countries or number[:2] in parameters.countries
            outputs["valid" if accepted and has_valid_checksum(number) else "invalid"].append(item)
        return NodeResult(outputs)


def has_valid_checksum(number: str) -> bool:
    """Return whether the number has the shape and the check digits that ISO 13616 requires."""
    if re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", number) is None:
        return False
    digits = "".join(str(int(character, 36)) for character in number[4:] + number[:4])
    return int(digits) % 97 == 1
