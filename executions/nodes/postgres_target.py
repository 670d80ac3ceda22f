"""The database of a postgres node, from its parameter `connection` and its credential."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, SecretStr, StringConstraints

from executions.domain.credential_types import PostgresLogin
from executions.domain.errors import NodeError
from executions.nodes.base import Parameters
from executions.nodes.postgres_connection import PostgresTarget, SslMode

Url = Annotated[str, StringConstraints(max_length=2000)]
PASSWORD_IN_URL = re.compile(r"(?P<before>^\s*postgres(?:ql)?://[^/@]*?):(?P<password>.*)@", re.DOTALL)
PASSWORD_NAMED = re.compile(r"password\s*=\s*(?P<password>[^\s&]+)", re.IGNORECASE)
"""The form of libpq's connection strings and of URL queries. Neither is supported, but both may be stored."""


class PostgresConnection(Parameters):
    """The server to connect to, if no credential names it. The password must be an expression."""

    host: str = Field("", title="Host", max_length=253, description="Private addresses are not allowed.")
    port: int = Field(5432, title="Port", ge=1, le=65_535)
    dbname: str = Field("", title="Database", max_length=63)
    user: str = Field("", title="User", max_length=63)
    password: SecretStr = Field(
        SecretStr(""), title="Password", description="An expression. Store a fixed password in a credential.",
        max_length=1000,
    )  # fmt: skip
    sslmode: SslMode = Field("prefer", title="TLS", description="verify-full also verifies the server's certificate.")


def literal_password(connection: Any) -> str:
    """Return the stored password of a `connection`, or its expression; "" if there is none."""
    if isinstance(connection, dict):
        return str(connection.get("password") or "")
    if not isinstance(connection, str):
        return ""
    match = PASSWORD_IN_URL.match(connection) or PASSWORD_NAMED.search(connection)
    return match["password"] if match else ""


def target_of(connection: PostgresConnection | str | None, login: PostgresLogin | None) -> PostgresTarget:
    """Return the target: the credential's settings, and the parameter only for settings that the credential leaves
    empty. An editor who may not read the credential therefore cannot redirect its password to another server. Raises
    NodeError without the URL, since it may contain a password."""
    fields = _parse(connection)
    server = login if login is not None and login.host else fields
    target = PostgresTarget(
        host=server.host,
        port=server.port,
        dbname=(login.dbname if login else "") or fields.dbname,
        user=(login.user if login else "") or fields.user,
        password=(login.password if login else "") or fields.password.get_secret_value(),
        sslmode=server.sslmode,
    )
    if not target.dbname or not target.user:
        raise NodeError("parameters.credential: set a database and a user in the credential or in `connection`.")
    return target


def _parse(connection: PostgresConnection | str | None) -> PostgresConnection:
    if not isinstance(connection, str) or not connection:
        return connection or PostgresConnection()
    try:
        parts = urlsplit(connection)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        if parts.scheme not in {"postgresql", "postgres"} or set(query) - {"sslmode"}:
            raise ValueError
        return PostgresConnection(
            host=unquote(parts.hostname or ""),
            port=parts.port or 5432,
            dbname=unquote(parts.path.lstrip("/")),
            user=unquote(parts.username or ""),
            password=SecretStr(unquote(parts.password or "")),
            **query,
        )
    except ValueError:
        raise NodeError(
            "parameters.connection: must be postgresql://user@host:5432/name; the only option is sslmode."
        ) from None
