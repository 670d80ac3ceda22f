"""What the processes measure of events and of their streams to clients."""

from workflow_platform.core.instruments import Counter, Gauge, Histogram

APPENDED = Counter("events_appended_total", "Events that were committed.")
APPEND_SECONDS = Histogram(
    "event_append_seconds", "From the append of a batch of events to the commit of its transaction."
)
DROPPED_MESSAGES = Counter(
    "stream_messages_dropped_total", "Live messages that Redis did not take; clients read the events from history."
)
PUBLISH_SECONDS = Histogram(
    "stream_publish_seconds", "How long Redis took to accept a batch of live messages, with the question who listens."
)
WEBSOCKETS = Counter("websocket_connections_total", "WebSockets that were let in.")
OPEN_WEBSOCKETS = Gauge("websocket_connections_active", "Open WebSockets.")
SENT = Counter("websocket_messages_sent_total", "Frames sent to WebSockets.")
RECEIVED = Counter("websocket_messages_received_total", "Frames received from WebSockets.")
LATENCY = Histogram(
    "websocket_latency_seconds",
    "From the commit of live events to their frame being passed to the client's connection.",
)
EVENT_STREAMS = Counter("sse_connections_total", "Event streams over HTTP that were opened.")
OPEN_EVENT_STREAMS = Gauge("sse_connections_active", "Open event streams over HTTP.")
BUFFERED = Gauge("stream_buffered_bytes", "Live events that wait in the buffers of clients.")
DEGRADED = Gauge("stream_hubs_degraded", "Web processes whose live events do not arrive: they poll the history.")
