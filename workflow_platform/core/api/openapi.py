"""Extends the OpenAPI document of drf-spectacular by the errors of each operation.

The errors are derived from the parameters of an operation and its view. An operation that can fail in another way adds
the status to its responses, as `404: None`; the description comes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import AllowAny

REASONS = {
    400: "The request is invalid. `errors` names each wrong parameter or field.",
    401: "The request has no valid credentials: log in, or send `Authorization: Bearer` with a token.",
    403: "The caller's role does not allow this, or a request with a session cookie has no CSRF token.",
    404: "The object does not exist, or the caller may not see it.",
    406: "The format that the header `Accept` requests is not available.",
    409: "The state of the object does not allow this.",
    412: "The object was changed in the meantime. `current_version`, `by` and `at` say by whom.",
    413: "The body is too large.",
    415: "The media type of the body is not supported. Send `application/json`.",
    416: "The range is outside of the content.",
    422: "This idempotency key was used with another body.",
    429: "Too many requests. `Retry-After`, if present, is the number of seconds to wait.",
    503: "A service that the platform needs did not respond in time. Try again.",
}
IDEMPOTENCY_KEY = "Idempotency-Key"
PROBLEM_TYPE = "application/problem+json"
_READING = {"GET", "HEAD", "OPTIONS"}
_PROBLEM = {
    "type": "object",
    "description": "An error, as RFC 9457 defines it.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: the status tells the kind of error."},
        "title": {"type": "string", "description": "The name of the status."},
        "status": {"type": "integer", "description": "The status of the response."},
        "detail": {"type": "string", "description": "What was wrong, for people."},
        "instance": {"type": "string", "description": "The path of the request."},
        "errors": {
            "type": "array",
            "description": "What was wrong: one entry per message.",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {
                        "type": "string",
                        "description": "The dotted path of the field or parameter; empty for the whole.",
                    },
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                    "node": {
                        "type": "string",
                        "nullable": True,
                        "description": "In workflows: the id of the node with the error.",
                    },
                },
            },
        },
        "current_version": {"type": "integer", "description": "Of a 412: the latest version."},
        "by": {"type": "string", "nullable": True, "description": "Of a 412: the user who saved the latest version."},
        "at": {"type": "string", "format": "date-time", "description": "Of a 412: when it was saved."},
    },
}


class OperationSchema(AutoSchema):
    """Describes an operation with its errors."""

    def get_operation(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation object."""
        operation: dict[str, Any] | None = super().get_operation(path, *args, **kwargs)
        if operation is None:
            return None
        declared = operation["responses"]
        codes = self._errors(operation) | {int(code) for code in declared if code.isdigit() and int(code) >= 400}
        answers = {code: answer for code, answer in declared.items() if not code.isdigit() or int(code) < 400}
        errors = {str(code): {"$ref": f"#/components/responses/{_name(code)}"} for code in sorted(codes)}
        return operation | {"responses": answers | errors}

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> dict[str, Any]:
        """Add a pattern to texts that must not be blank."""
        meta: dict[str, Any] = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        if direction == "request" and meta.get("minLength") == 1 and field.trim_whitespace:
            meta.setdefault("pattern", r"\S")
        return meta

    def _errors(self, operation: Mapping[str, Any]) -> set[int]:
        parameters = operation.get("parameters", ())
        locations = {parameter["in"] for parameter in parameters}
        writes, takes_body = self.method not in _READING, "requestBody" in operation
        keyed = any(parameter["name"] == IDEMPOTENCY_KEY for parameter in parameters)
        guarded = any(not isinstance(permission, AllowAny) for permission in self.view.get_permissions())
        applies = {
            400: True,  # at least for a NUL character in the URL
            401: True,  # open endpoints take credentials in their bodies
            403: guarded,
            404: "path" in locations,
            406: True,
            409: keyed or (writes and "path" in locations),
            413: writes,
            415: takes_body,
            422: keyed,
            429: bool(self.view.throttle_classes),
            503: True,
        }
        return {code for code, it_does in applies.items() if it_does}


class ClosedBodies(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers by being defined
    """Marks bodies that reject unknown fields."""

    target_class = "workflow_platform.core.api.inputs.BodySerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema object."""
        schema: dict[str, Any] = auto_schema._map_basic_serializer(self.target, direction)  # type: ignore[no-untyped-call]
        return schema | {"additionalProperties": False} if self.target.closed and direction == "request" else schema


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the errors to the components. A postprocessing hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    components["responses"] = {
        _name(code): {"description": description, "content": content} for code, description in REASONS.items()
    }
    return result


def _name(code: int) -> str:
    return f"Problem{code}"
