from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.errors import NodeError
from executions.nodes.crypto import Algorithm
from tests.unit.nodes.running import run


def made(**parameters: Any) -> Any:
    return run("crypto", {}, **parameters).outputs["main"][0]["data"]


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_hashes_and_signatures_are_those_of_the_standard(algorithm: str) -> None:
    assert made(operation="hash", value="ü", algorithm=algorithm) == hashlib.new(algorithm, "ü".encode()).hexdigest()
    signed = made(operation="hmac", value="a", secret="s", algorithm=algorithm, encoding="base64")
    assert signed == base64.b64encode(hmac.new(b"s", b"a", algorithm).digest()).decode()


def test_the_vector_of_rfc_4231_comes_out() -> None:
    signed = made(operation="hmac", value="what do ya want for nothing?", secret="Jefe")
    assert signed == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_each_item_gets_its_own_random_value() -> None:
    for parameters in ({"operation": "uuid"}, {"operation": "random_bytes"}):
        items = run("crypto", {"a": 1}, {"a": 1}, **parameters).outputs["main"]
        assert items[0]["data"] != items[1]["data"]
        assert items[0]["a"] == 1
    assert UUID(made(operation="uuid")).version == 4
    assert UUID(made(operation="uuid", uuid_version="7")).version == 7
    assert len(bytes.fromhex(made(operation="random_bytes", size=5))) == 5


def test_an_object_is_hashed_as_json_with_sorted_keys() -> None:
    assert made(value={"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@given(st.text(), st.sampled_from(["hex", "base64", "base64url"]))
def test_what_is_encoded_can_be_decoded(value: str, encoding: str) -> None:
    encoded = made(operation="encode", value=value.replace("{{", ""), encoding=encoding)
    assert made(operation="decode", value=encoded, encoding=encoding) == value.replace("{{", "")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"operation": "hmac", "value": "a"}, r"parameters\.secret"),
        ({"operation": "decode", "value": "%%", "encoding": "base64"}, r"parameters\.value: is not valid base64"),
        ({"operation": "decode", "value": "abc", "encoding": "hex"}, r"parameters\.value: is not valid hex"),
        ({"operation": "decode", "value": "ff", "encoding": "hex"}, r"parameters\.value: .* not UTF-8"),
        ({"operation": "random_bytes", "size": 1025}, r"parameters\.size"),
        ({"operation": "hash", "algorithm": "crc32"}, r"parameters\.algorithm"),
    ],
)
def test_what_cannot_be_done_names_the_field(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(NodeError, match=said):
        made(**parameters)
