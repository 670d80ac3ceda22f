from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal
from uuid import UUID, uuid4

import uuid_utils
from pydantic import Field

from executions.domain.credential_types import CryptoSecret
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.comparing import text
from executions.nodes.credential_checks import wrong_types
from executions.nodes.literal_secrets import USE_A_CREDENTIAL, holds_literal
from executions.nodes.paths import FieldPath, with_value

MAX_TEXT = 16 * 1024 * 1024
MAX_RANDOM_BYTES = 1024

Operation = Literal["hash", "hmac", "random_bytes", "uuid", "encode", "decode"]
Algorithm = Literal[
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b",
    "blake2s",
]  # fmt: skip
Encoding = Literal["hex", "base64", "base64url"]


class CryptoParameters(Parameters):
    operation: Operation = Field("hash", title="Operation")
    value: Any = Field(
        "",
        title="Value",
        description="The value to hash, sign, encode or decode. Text is used as UTF-8, any other value as JSON.",
    )
    algorithm: Algorithm = Field(
        "sha256",
        title="Algorithm",
        description="For hash and hmac. Use md5 and sha1 only if the other system requires them.",
    )
    credential: str = Field(
        "",
        title="Credential",
        description="For hmac: the name or id of a credential of the type crypto with the key.",
        max_length=100,
        json_schema_extra={"format": "credential"},
    )
    secret: str = Field(
        "",
        title="Secret",
        description="For hmac: an expression for the key, if it is part of the item. Store a fixed key in a credential."
        " Used as UTF-8.",
        max_length=10_000,
        json_schema_extra={"format": "password"},
    )
    encoding: Encoding = Field(
        "hex", title="Encoding", description="The encoding of the result; for decode, the encoding of Value."
    )
    size: int = Field(32, title="Size", description="The number of random bytes.", ge=1, le=MAX_RANDOM_BYTES)
    uuid_version: Literal["4", "7"] = Field("4", title="UUID version", description="Version 7 is ordered by time.")
    into: FieldPath = Field("data", title="Into", description="The field for the result.")


class Crypto(ItemNodeType[CryptoParameters]):
    type = "crypto"
    label = "Crypto"
    description = "Hashes, signs, encodes and decodes values, and generates random bytes and UUIDs."
    icon = "key"
    category = "data"
    Parameters = CryptoParameters
    blocking = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        if isinstance(secret := parameters.get("secret"), str) and holds_literal(secret):
            message = USE_A_CREDENTIAL.format("secret", "crypto")
            problems.append(("parameters.secret", "literal_secret", message))
        return problems

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        return wrong_types(self.credentials_of(parameters), workspace, "crypto")

    def opened(self, context: NodeContext[CryptoParameters]) -> AbstractContextManager[str]:
        return nullcontext(_key(context))

    def run_item(self, context: NodeContext[CryptoParameters], index: int, item: Item) -> dict[str, Items]:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        parameters = context.parameters(index)
        try:
            return {"main": [with_value(item, parameters.into, _result(parameters, context.shared))]}
        except ValueError as error:
            raise NodeError(f"parameters.{error} (item {index}).") from None


def _key(context: NodeContext[CryptoParameters]) -> str:
    """Return the key in the node's credential, or "" without a credential. Raises NodeError."""
    # Always a literal name, never an expression.
    reference = context.node.parameters.get("credential") or context.node.credentials
    if not reference or not context.items:
        return ""
    fields = context.credential(str(reference)).fields_as(CryptoSecret)
    assert isinstance(fields, CryptoSecret)
    return fields.secret


def _result(parameters: CryptoParameters, key: str) -> str:
    """Return the result of an operation. Raises ValueError whose message begins with the field's name."""
    match parameters.operation:
        case "uuid":
            return str(uuid4() if parameters.uuid_version == "4" else uuid_utils.uuid7())
        case "random_bytes":
            return _ENCODED[parameters.encoding](secrets.token_bytes(parameters.size))
    value = text(parameters.value)
    if len(value) > MAX_TEXT:
        raise ValueError(f"value: has {len(value)} characters; the limit is {MAX_TEXT}")
    if parameters.operation == "decode":
        return _decode(value, parameters.encoding)
    data = value.encode()
    if parameters.operation == "hash":
        data = hashlib.new(parameters.algorithm, data, usedforsecurity=False).digest()
    elif parameters.operation == "hmac":
        if not (key or parameters.secret):
            raise ValueError("secret: hmac needs a key; choose a credential of the type crypto")
        data = hmac.digest((key or parameters.secret).encode(), data, parameters.algorithm)
    return _ENCODED[parameters.encoding](data)


_ENCODED: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64url": lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode(),
}


def _decode(value: str, encoding: Encoding) -> str:
    """Decode a text. Padding is optional. Raises ValueError."""
    value = "".join(value.split())
    try:
        if encoding == "hex":
            return bytes.fromhex(value).decode()
        padded = value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_" if encoding == "base64url" else None, validate=True).decode()
    except UnicodeDecodeError:
        raise ValueError("value: the decoded bytes are not UTF-8 text") from None
    except (ValueError, binascii.Error):
        raise ValueError(f"value: is not valid {encoding}") from None
