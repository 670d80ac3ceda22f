"""OTLP as protobuf: the optional extra `otlp-protobuf`. Rows and files hold OTLP JSON, which is converted here."""

from __future__ import annotations

import base64
from typing import Any

import orjson

try:
    from google.protobuf import json_format
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
except ImportError:
    _INSTALLED = False
else:
    _INSTALLED = True

MISSING = "http/protobuf needs the extra: pip install 'workflow-platform[otlp-protobuf]', or use http/json."
_IDS = ("traceId", "spanId", "parentSpanId")


class ProtobufMissing(RuntimeError):
    """The extra is not installed."""


def is_installed() -> bool:
    """Return whether spans can be sent as protobuf."""
    return _INSTALLED


def request_of(otlp_json: str) -> bytes:
    """Return an ExportTraceServiceRequest in protobuf. Raises ProtobufMissing."""
    if not _INSTALLED:
        raise ProtobufMissing(MISSING)
    request = orjson.loads(otlp_json)
    for of_resource in request["resourceSpans"]:
        for of_scope in of_resource["scopeSpans"]:
            for span in of_scope["spans"]:
                for each in (span, *span.get("links", ())):
                    _as_base64(each)
    return bytes(json_format.ParseDict(request, trace_service_pb2.ExportTraceServiceRequest()).SerializeToString())


def partial_success(body: bytes) -> tuple[int, str]:
    """Return how many spans an answer says were rejected, and why. Raises ValueError for anything else."""
    if not _INSTALLED:
        return 0, ""
    try:
        answer = trace_service_pb2.ExportTraceServiceResponse.FromString(body)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    return int(answer.partial_success.rejected_spans), str(answer.partial_success.error_message)


def _as_base64(holder: dict[str, Any]) -> None:
    """Write ids as protobuf's JSON has bytes; OTLP's JSON has hex instead."""
    for name in _IDS:
        if name in holder:
            holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode()
