"""The catalogue: every event type with its strict payload. Writing an undeclared field is an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from typing_extensions import TypedDict

from workflow_platform.core.secrets.secret_names import masked, masked_text

Preview = Annotated[list[Any], AfterValidator(masked)]
"""The first items. Values under names of secrets are masked, because viewers and receivers see events."""
Said = Annotated[str, AfterValidator(masked_text)]
"""Text that may repeat items: error messages and log lines of nodes."""


class Payload(BaseModel):
    # Each process starts faster if it builds the validators of only those types that it writes.
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class FailedExpression(Payload):
    """The expression that failed. Line and column count from 1 in `source`, if they are known."""

    parameter: str
    source: Said
    item: int
    line: int | None = None
    column: int | None = None


class ErrorData(Payload):
    """An error, with a message that a person can act on. What the called system answered is on the node run only."""

    type: str
    message: Said
    node: str | None = None
    retryable: bool = False
    expression: FailedExpression | None = None

    @model_serializer(mode="wrap")
    def _without_null(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        if self.expression is None:
            del data["expression"]
        return data


class NodeDuration(Payload):
    node: str
    duration_ms: float


class Summary(Payload):
    duration_ms: float
    nodes_executed: int
    nodes_failed: int
    nodes_skipped: int
    slowest: NodeDuration | None
    fastest: NodeDuration | None


# --- workflow --------------------------------------------------------------------------------------------------------


class WorkflowChanged(Payload):
    name: str
    version: int | None = None
    by: str | None = None


class WorkflowCloned(WorkflowChanged):
    cloned_from: str


class StaticDataChanged(Payload):
    """A person changed the data that code keeps from one execution to the next."""

    name: str
    by: str
    change: Literal["replaced", "reset"]
    nodes: list[str]
    """The nodes whose data changed."""
    whole_workflow: bool
    """Whether the data of the whole workflow changed."""


class HookTested(Payload):
    """A request to the test URL of a webhook trigger, which starts no execution."""

    request: str
    """The id of its row in the request log."""
    node: str
    method: str
    path: str
    accepted: bool
    status_code: int
    reason: str
    content_type: str
    body_bytes: int
    preview: Annotated[dict[str, Any], AfterValidator(masked)] | None = None
    """Query and body, truncated."""


# --- execution -------------------------------------------------------------------------------------------------------


class Queued(Payload):
    trigger: str
    trigger_node: str
    priority: str
    workflow_name: str
    workflow_version: int
    input_items: int
    by: str | None = None
    parent: str | None = None
    rerun_of: str | None = None
    rerun_from: str | None = None
    """The node that the rerun starts from; none if the whole execution is rerun."""
    mode: Literal["live", "test", "debug"] = "live"


class Started(Payload):
    worker: str
    fencing_token: int
    nodes_total: int


class Recovered(Payload):
    worker: str
    fencing_token: int
    reason: Literal["lease_lost", "handed_over"]
    recoveries: int
    completed_nodes: int
    restarted_nodes: list[str]


class NodeRunRef(Payload):
    """The node run that an event belongs to: the node's id, label and type, and the number of the run."""

    node: str
    name: str
    node_type: str
    run_index: int


class NodeWaits(TypedDict, total=False):
    """Milliseconds that a node run waited, over all attempts; what is zero is missing."""

    turn_ms: float
    """For a thread of its worker."""
    sandbox_ms: float
    """For a sandbox process."""
    credential_ms: float
    """For a credential: its lock, or a token that is fetched."""
    cache_ms: float
    """For another execution that computed the same result."""
    pause_ms: float
    """Between attempts: for a retry, a time, a person, a child, or a delivery."""


class NodeCalls(TypedDict, total=False):
    """The outbound HTTP calls of a node run, over all attempts; what is zero is missing. The phases follow each other;
    those of all calls are added up."""

    count: int
    repeated: int
    """Requests that were sent again, since a kept connection was dead."""
    dns_ms: float
    connect_ms: float
    tls_ms: float
    first_byte_ms: float
    """From the request until the headers of the response."""
    transfer_ms: float
    sent_bytes: int
    """Of the bodies."""
    received_bytes: int


class NodeCost(TypedDict, total=False):
    waits: NodeWaits
    calls: NodeCalls


class NodeStarted(NodeRunRef):
    attempt: int
    input_items: int


class NodeCompleted(NodeRunRef):
    attempt: int
    duration_ms: float
    cpu_ms: float | None
    memory_bytes: int | None
    output_items: int
    output_bytes: int
    outputs: dict[str, int]
    failed_items: int = 0
    """Input items that failed for good and went on as errors, because of `on_error`."""
    from_cache: bool
    preview: Preview | None = None
    taken_from: str | None = None
    """In a rerun: the node run of the old execution whose output was copied."""
    attributes: dict[str, str] | None = None
    """The attributes of the execution that it set."""
    cost: NodeCost | None = None
    """What it waited for, and its calls to other systems. Null: nothing worth mentioning."""


class NodeFailed(NodeRunRef):
    attempt: int
    duration_ms: float
    error: ErrorData
    failed_items: int = 0
    on_error: Literal["stop", "continue", "route"]
    taken_from: str | None = None
    cost: NodeCost | None = None


class NodeRetrying(NodeRunRef):
    attempt: int
    next_attempt: int
    delay_ms: float
    error: ErrorData


class NodeSkipped(NodeRunRef):
    reason: str
    taken_from: str | None = None


class NodeWaiting(NodeRunRef):
    reason: str
    until: str | None
    """When the execution continues without a request: at this time, or when its wait expires."""
    kind: Literal["time", "retry", "webhook", "approval", "execution", "delivery"] = "time"
    wait: str | None = None
    """The id of the wait; for an approval, the id at /api/approvals/."""
    assignee: str | None = None
    child: str | None = None
    """The execution that the node waits for."""


class HoldRef(Payload):
    """A hold: a node run that waits for a person."""

    hold: str
    node: str
    run_index: int
    attempt: int


class Held(NodeRunRef):
    hold: str
    attempt: int
    at: Literal["failure"]
    reason: Literal["failure"]
    error: ErrorData | None = None
    expires_at: str | None
    """When the node fails unless somebody answers."""


class Released(HoldRef):
    action: Literal["retry", "skip", "route", "fail"]
    by: str | None
    """The user who answered; null if the hold expired."""


class DataEdited(HoldRef):
    what: list[Literal["input", "parameters", "output", "definition"]]
    by: str
    digest_before: str
    """Of what was replaced: an HMAC for the workspace, equal for equal data."""
    digest_after: str


class EdgeRef(Payload):
    source: str
    source_output: str
    target: str
    target_input: str


class DataFlow(Payload):
    edge: EdgeRef
    run_index: int
    items: int
    bytes: int
    preview: Preview | None = None
    taken_from: str | None = None
    """In a rerun: the node run of the old execution whose output was passed on."""


class ItemProgress(Payload):
    """The items of one node run: how many have an outcome, and how many of those failed."""

    node: str
    run_index: int
    completed: int
    failed: int
    total: int


class Progress(Payload):
    completed: int
    total: int
    in_progress: int
    estimated_remaining_ms: float | None
    items: ItemProgress | None = None
    """Progress within a node run that takes long."""


class Log(Payload):
    level: Literal["debug", "info", "warning", "error"]
    message: Said
    node: str | None = None
    run_index: int | None = None


class Waiting(Payload):
    reason: str
    until: str | None


class PausedOrResumed(Payload):
    reason: str
    by: str | None = None


class CancelledDeliveries(Payload):
    """The webhook deliveries of an execution at the time of its cancellation."""

    withdrawn: int
    """Deliveries that were cancelled before they were sent."""
    arrived: int
    """Deliveries that had been delivered."""
    under_way: int
    """Deliveries that were in flight: they may arrive, and are not retried."""
    left: list[str]
    """The ids of deliveries that had been sent, those in flight first; at most 100."""


class CancelRequested(Payload):
    reason: str
    by: str | None = None
    deliveries: CancelledDeliveries | None = None


class Completed(Payload):
    summary: Summary
    cached_from: str | None = None
    """The execution whose cached result was used; no node ran."""


class Failed(Payload):
    error: ErrorData
    summary: Summary


class Cancelled(Payload):
    reason: str
    by: str | None
    deliveries: CancelledDeliveries | None = None
    """None if no delivery was pending, in flight or delivered."""
    summary: Summary


class TimedOut(Payload):
    limit_ms: int
    summary: Summary


# --- notification ----------------------------------------------------------------------------------------------------


class NotificationCreated(Payload):
    """A user has a new notification. Its content is not in the event: access to it is checked when it is read."""

    notification: str
    kind: Literal["workflow_failed", "workflow_recovered", "approval_waiting", "execution_held", "endpoint_disabled"]


class NotificationsRead(Payload):
    """A user marked notifications as read, on one of their pages or over the API."""

    notifications: list[str]
    """At most 100 ids."""
    through: str | None = None
    """All up to this notification were marked; `notifications` is then empty."""


# --- insight ---------------------------------------------------------------------------------------------------------


class InsightRaised(Payload):
    """A bottleneck was found, or an advice: its figure in words. The API has the evidence."""

    insight: str
    kind: str
    workflow: str | None
    node: str | None
    text: str


class InsightCleared(Payload):
    insight: str
    kind: str
    workflow: str | None
    node: str | None
    reason: Literal["cleared", "dismissed", "confirmed", "refuted"]
    """cleared: it is no longer true. confirmed, refuted: it was applied, and it helped or it did not."""


# --- system ----------------------------------------------------------------------------------------------------------


class SystemEvent(Payload):
    component: str
    message: str
    figures: dict[str, float] = {}


class ProcessEvent(SystemEvent):
    """A process of the platform that started or stopped."""

    pid: int
    host: str


CATALOGUE: dict[str, type[Payload]] = {
    "workflow.created": WorkflowChanged,
    "workflow.updated": WorkflowChanged,
    "workflow.deleted": WorkflowChanged,
    "workflow.activated": WorkflowChanged,
    "workflow.deactivated": WorkflowChanged,
    "workflow.cloned": WorkflowCloned,
    "workflow.static_data_changed": StaticDataChanged,
    "workflow.hook_tested": HookTested,
    "execution.queued": Queued,
    "execution.started": Started,
    "execution.node_started": NodeStarted,
    "execution.node_completed": NodeCompleted,
    "execution.node_failed": NodeFailed,
    "execution.node_retrying": NodeRetrying,
    "execution.node_skipped": NodeSkipped,
    "execution.node_waiting": NodeWaiting,
    "execution.held": Held,
    "execution.released": Released,
    "execution.data_edited": DataEdited,
    "execution.data_flow": DataFlow,
    "execution.progress": Progress,
    "execution.log": Log,
    "execution.waiting": Waiting,
    "execution.paused": PausedOrResumed,
    "execution.resumed": PausedOrResumed,
    "execution.recovered": Recovered,
    "execution.cancel_requested": CancelRequested,
    "execution.completed": Completed,
    "execution.failed": Failed,
    "execution.cancelled": Cancelled,
    "execution.timed_out": TimedOut,
    "notification.created": NotificationCreated,
    "notification.read": NotificationsRead,
    "insight.raised": InsightRaised,
    "insight.cleared": InsightCleared,
    "system.startup": ProcessEvent,
    "system.shutdown": ProcessEvent,
    "system.health_check": SystemEvent,
    "system.resource_warning": SystemEvent,
    "system.queue_status": SystemEvent,
    "system.error": SystemEvent,
}

TERMINAL = frozenset({"execution.completed", "execution.failed", "execution.cancelled", "execution.timed_out"})
"""No event follows one of these in its stream."""

LIFECYCLE = TERMINAL | {
    "execution.queued",
    "execution.started",
    "execution.waiting",
    "execution.held",
    "execution.released",
    "execution.paused",
    "execution.resumed",
    "execution.recovered",
    "execution.cancel_requested",
}
"""The events of the stream `executions`: the state of executions, not what their nodes do."""


PERSONAL = frozenset(name for name in CATALOGUE if name.startswith("notification."))
"""Events on the streams of users: for one person only, never for endpoints or lists of events."""


class UnknownEventType(Exception):
    """The type is not in the catalogue."""


WITH_ITEMS = frozenset(
    {"execution.node_completed", "execution.data_flow", "execution.log", "workflow.hook_tested"}
    | {name for name, payload in CATALOGUE.items() if payload.model_fields.get("error") is not None}
)
"""Event types whose previews or messages repeat items."""


def masked_payload(type_: str, payload: str) -> str:
    """Return a recorded payload as JSON text with secrets masked: older and imported events may contain some."""
    if type_ not in WITH_ITEMS:
        return payload
    data = orjson.loads(payload)
    shown = masked(data)
    return payload if shown == data else orjson.dumps(shown).decode()


def payload_text(type_: str, data: dict[str, Any]) -> str:
    """Return `data` as JSON text, with defaults filled in.

    Raises UnknownEventType, or pydantic.ValidationError for a field that is missing, undeclared or of another type.
    """
    try:
        payload = CATALOGUE[type_]
    except KeyError:
        raise UnknownEventType(f"The catalogue has no event type {type_!r}.") from None
    return payload.model_validate(data).model_dump_json()
