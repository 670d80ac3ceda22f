"""The fields that a log line may carry. A line passes them in `extra`; a context adds them (`log_context`).

docs/logging.md lists them for operators, and a test holds that every line of the project uses these names only.
"""

from __future__ import annotations

FIELDS = {
    "request_id": "The HTTP request or the WebSocket; the value of its X-Request-ID header.",
    "trace_id": "The trace: the caller's `traceparent`, or the execution at the start of a chain of sub-workflows.",
    "execution_id": "The execution.",
    "workflow_id": "The workflow of the execution.",
    "workspace_id": "The workspace.",
    "node": "The id of the node in the workflow.",
    "node_type": "The type of the node.",
    "run_index": "The number of the node run within the execution, from 0.",
    "attempt": "The number of the attempt, from 1.",
    "wait_id": "The wait that an execution is suspended on.",
    "schedule_id": "The schedule.",
    "delivery_id": "The webhook delivery.",
    "endpoint_id": "The webhook endpoint.",
    "operation_id": "The bulk operation on deliveries.",
    "replay_id": "The replay of events.",
    "stream": "The event stream, such as execution:<id>.",
    "event_id": "The event.",
    "sequence": "The sequence number of an event within its stream.",
    "subscriber": "The Python subscriber to events, by its name.",
    "worker": "The worker process, as host:pid.",
    "queue": "The RQ queue.",
    "job_id": "The RQ job.",
    "task": "The background task, such as a sweep of the scheduler.",
    "count": "How many items the line is about.",
    "failures": "How many times in a row the same thing has failed.",
    "retry_seconds": "Seconds until the next try.",
    "method": "The HTTP method.",
    "path": "The path of the request, without its query.",
    "status_code": "The HTTP status of the response.",
    "duration_ms": "How long it took, in milliseconds.",
    "bytes": "The size of the response in bytes.",
    "client": "The address that the request came from.",
    "server": "The server that did not answer: PostgreSQL or Redis.",
}

PROCESS_FIELDS = {
    "component": "The kind of process: web, worker, scheduler, lease_keeper or supervisor.",
    "pid": "The process id.",
}
"""Fields that are the same for every line of a process. JSON lines carry them; in the text format the name of the log
file says them."""
