"""Which database a postgres node means: its parameter `connection`, and what its credential holds."""

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
"""As libpq's own connection strings have it, and the queries of URLs: neither is taken, and both are stored."""


class PostgresConnection(Parameters):
    """Where to connect to, where no credential says it. A password is only for expressions."""

    host: str = Field("", title="Host", max_length=253, description="Private addresses are refused.")
    port: int = Field(5432, title="Port", ge=1, le=65_535)
    dbname: str = Field("", title="Database", max_length=63)
    user: str = Field("", title="User", max_length=63)
    password: SecretStr = Field(
        SecretStr(""), title="Password", description="An expression; a password itself belongs into a credential.",
        max_length=1000,
    )  # fmt: skip
    sslmode: SslMode = Field("prefer", title="TLS", description="verify-full also checks who the server is.")


def literal_password(connection: Any) -> str:
    """Return what stands in the place of the password in a `connection` as it is stored, "" for nothing."""
    if isinstance(connection, dict):
        return str(connection.get("password") or "")
    if not isinstance(connection, str):
        return ""
    found = PASSWORD_IN_URL.match(connection) or PASSWORD_NAMED.search(connection)
    return found["password"] if found else ""


def target_of(connection: PostgresConnection | str | None, login: PostgresLogin | None) -> PostgresTarget:
    """Return what is connected to: what the credential holds, and of the parameter only what that leaves empty, so
    that nobody who may not see the credential can have its password sent to a server of their own. Raises NodeError,
    without the URL, as it may hold a password."""
    given = _read(connection)
    at = login if login is not None and login.host else given
    found = PostgresTarget(
        host=at.host,
        port=at.port,
        dbname=(login.dbname if login else "") or given.dbname,
        user=(login.user if login else "") or given.user,
        password=(login.password if login else "") or given.password.get_secret_value(),
        sslmode=at.sslmode,
    )
    if not found.dbname or not found.user:
        raise NodeError("parameters.credential: neither it nor `connection` names a database and a user.")
    return found


def _read(connection: PostgresConnection | str | None) -> PostgresConnection:
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
            "parameters.connection: must be postgresql://user@host:5432/name, only sslmode may follow."
        ) from None
