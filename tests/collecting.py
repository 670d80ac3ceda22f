"""A collector of traces outside the platform: speaks OTLP over HTTP, and can be away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

TraceSpan = dict[str, Any]


class Collector:
    """Keeps the spans that it receives, by id. Its address is one that OUTBOUND_ALLOW does not name."""

    def __init__(self) -> None:
        self.spans: dict[str, TraceSpan] = {}
        self.repeated: list[str] = []
        """The ids of spans that came again."""
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: bytes = b"{}"
        self.refusals: list[int] = []
        """The statuses of the next responses, to requests that are not kept."""
        self._lock = threading.Lock()
        self._server = self._listen(0)
        self.port = self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.3:{self.port}"

    def leave(self) -> None:
        """Be away: connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def come_back(self) -> None:
        """Listen at the same address again."""
        self._server = self._listen(self.port)

    def named(self, trace_id: str, name: str) -> list[TraceSpan]:
        """Return the spans of a trace with this name, the first first."""
        found = [span for span in self.spans.values() if span["traceId"] == trace_id and span["name"] == name]
        return sorted(found, key=lambda span: int(span["startTimeUnixNano"]))

    def _listen(self, port: int) -> ThreadingHTTPServer:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                status = collector.refusals.pop(0) if collector.refusals else 200
                if status == 200:
                    collector.receive({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                self.send_header("Content-Type", self.headers["content-type"])
                self.send_header("Content-Length", str(len(collector.answer)))
                self.end_headers()
                self.wfile.write(collector.answer)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.3", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def receive(self, headers: dict[str, str], body: bytes) -> None:
        """Keep a request."""
        request = json.loads(body) if "json" in headers["content-type"] else _of_protobuf(body)
        with self._lock:
            self.headers.append(headers)
            for of_resource in request["resourceSpans"]:
                self.resources.append(values(of_resource["resource"]["attributes"]))
                for of_scope in of_resource["scopeSpans"]:
                    for span in of_scope["spans"]:
                        if span["spanId"] in self.spans:
                            self.repeated.append(span["spanId"])
                        self.spans[span["spanId"]] = span


def values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return attributes as plain values."""
    found = {}
    for each in attributes:
        ((kind, value),) = each["value"].items()
        found[each["key"]] = int(value) if kind == "intValue" else value
    return found


def _of_protobuf(body: bytes) -> dict[str, Any]:
    """Return a request in protobuf as far as the tests of JSON look at it."""
    request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)

    def read(attributes: Any) -> list[dict[str, Any]]:
        kinds = {"string_value": "stringValue", "int_value": "intValue", "bool_value": "boolValue"}
        found = []
        for each in attributes:
            kind = each.value.WhichOneof("value")
            found.append({"key": each.key, "value": {kinds.get(kind, kind): getattr(each.value, kind)}})
        return found

    return {
        "resourceSpans": [
            {
                "resource": {"attributes": read(of_resource.resource.attributes)},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": span.trace_id.hex(),
                                "spanId": span.span_id.hex(),
                                "parentSpanId": span.parent_span_id.hex(),
                                "name": span.name,
                                "startTimeUnixNano": str(span.start_time_unix_nano),
                                "endTimeUnixNano": str(span.end_time_unix_nano),
                                "attributes": read(span.attributes),
                            }
                            for span in of_scope.spans
                        ]
                    }
                    for of_scope in of_resource.scope_spans
                ],
            }
            for of_resource in request.resource_spans
        ]
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect while the block runs."""
    collector = Collector()
    try:
        yield collector
    finally:
        collector.leave()
