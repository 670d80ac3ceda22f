from __future__ import annotations

from typing import Any

import pytest

from executions.domain.credential_types import BadFields, describe, read_fields

GOOD: dict[str, dict[str, Any]] = {
    "basic": {"username": "ada", "password": "a-secret"},
    "bearer": {"token": "a-secret"},
    "header": {"name": "X-API-Key", "value": "a-secret"},
    "query": {"name": "key", "value": "a-secret"},
    "oauth2_client_credentials": {
        "token_url": "https://example.org/token",
        "client_id": "ada",
        "client_secret": "a-secret",
    },
}


@pytest.mark.parametrize("type_", GOOD)
def test_what_is_secret_is_never_shown(type_: str) -> None:
    fields = read_fields(type_, GOOD[type_])
    assert "a-secret" in fields.secrets()
    assert "a-secret" not in f"{fields.shown()} {fields!r} {fields}"


def test_each_type_says_where_it_goes() -> None:
    assert read_fields("basic", GOOD["basic"]).parts().headers == {"Authorization": "Basic YWRhOmEtc2VjcmV0"}
    assert read_fields("bearer", GOOD["bearer"]).parts().headers == {"Authorization": "Bearer a-secret"}
    assert read_fields("header", GOOD["header"]).parts().headers == {"X-API-Key": "a-secret"}
    assert read_fields("query", GOOD["query"]).parts().query == {"key": "a-secret"}


def test_a_user_name_without_a_password_is_the_secret() -> None:
    fields = read_fields("basic", {"username": "sk_live_123"})
    assert "sk_live_123" in fields.secrets()
    assert "username" not in fields.shown()


@pytest.mark.parametrize(
    ("type_", "data", "field"),
    [
        ("basic", {"password": "a-secret"}, "data.username"),
        ("basic", {"username": "a-secret:b", "password": "a-secret"}, "data.username"),
        ("bearer", {"token": "a-secret\r\nX: y"}, "data.token"),
        ("bearer", {"token": "a-secret\u0100"}, "data.token"),
        ("bearer", {"token": ["a-secret"]}, "data.token"),
        ("bearer", {"token": "a-secret", "a-secret": "a-secret"}, "data.a-secret"),
        ("header", {"name": "Content-Length", "value": "a-secret"}, "data.name"),
        ("header", {"name": "X Y", "value": "a-secret"}, "data.name"),
        ("query", {"name": "", "value": "a-secret"}, "data.name"),
        ("oauth2_client_credentials", GOOD["oauth2_client_credentials"] | {"token_url": "file:///x"}, "data.token_url"),
        ("oauth2_client_credentials", GOOD["oauth2_client_credentials"] | {"authentication": "x"}, None),
        ("bearer", "a-secret", "data"),
        ("nonsense", {}, "type"),
    ],
)
def test_what_is_wrong_is_named_by_field_and_without_its_value(type_: str, data: Any, field: str | None) -> None:
    with pytest.raises(BadFields) as raised:
        read_fields(type_, data)
    assert field is None or raised.value.errors[0]["field"] == field
    if field != "data.a-secret":  # the caller's own name for a field
        assert "a-secret" not in str(raised.value)


def test_the_schema_marks_what_is_secret() -> None:
    secret = {
        each["type"]: [name for name, field in each["schema"]["properties"].items() if field.get("writeOnly")]
        for each in describe()
    }
    assert secret == {
        "basic": ["password"],
        "bearer": ["token"],
        "header": ["value"],
        "query": ["value"],
        "oauth2_client_credentials": ["client_secret"],
        "webhook_secret": ["secret", "previous"],
        "postgres": ["password"],
        "crypto": ["secret"],
    }
