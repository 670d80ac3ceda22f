"""Serializers of workflows and executions. They check the outer shape; `executions.workflows.definitions` validates
workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from events.api.history import EventSerializer
from events.api.query_fields import ManyField, checked_types
from events.catalogue.event_types import LIFECYCLE
from events.history.event_filter import matching_types
from executions.admission.explanation import Reason, explain
from executions.api.node_run_details import parameters_of
from executions.domain.digests import keyed
from executions.domain.statuses import ExecutionStatus, NodeRunStatus
from executions.domain.workflow_settings import MAX_HOLD_SECONDS, MIN_HOLD_SECONDS
from executions.holds import open_holds
from executions.models import (
    Execution,
    HoldPlace,
    Mode,
    NodeRun,
    OnFailure,
    Priority,
    Wait,
    Workflow,
    WorkflowVersion,
)
from executions.pages import relations
from executions.workflows.shown_definitions import for_viewers, settings_for_viewers
from workflow_platform.core.api.inputs import BodySerializer, QueryBoolean, QuerySerializer

MOST_RUNS = 10_000
"""Node runs that are listed at once."""


class _Definition:
    """A definition. Fields with secrets are masked unless the caller is an editor."""

    # `editor_of`: the workspaces whose definitions are not masked; by default, all of them.
    context: dict[str, Any]

    def shown(self, data: dict[str, Any], workspace: UUID) -> dict[str, Any]:
        """Return the fields, with secrets masked unless the caller is an editor."""
        editor_of = self.context.get("editor_of")
        if editor_of is None or workspace in editor_of:
            return data
        masks = {"nodes": for_viewers, "settings": settings_for_viewers}
        return data | {name: mask(data[name]) for name, mask in masks.items() if name in data}


class WorkflowSerializer(_Definition, serializers.ModelSerializer[Workflow]):
    nodes = serializers.JSONField(source="latest_version.nodes", read_only=True)
    edges = serializers.JSONField(source="latest_version.edges", read_only=True)
    settings = serializers.JSONField(source="latest_version.settings", read_only=True)
    version = serializers.IntegerField(source="latest_version.number", read_only=True)

    class Meta:
        model = Workflow
        fields = [
            "id", "workspace", "name", "description", "active", "version",
            "nodes", "edges", "settings", "created_at", "updated_at",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        chosen = self.context.get("fields")  # of a list
        return fields if chosen is None else {name: fields[name] for name in chosen if name in fields}

    def to_representation(self, instance: Workflow) -> dict[str, Any]:
        return self.shown(super().to_representation(instance), instance.workspace_id)


@extend_schema_field({"type": "array", "items": {"type": "object"}})
class GraphField(serializers.JSONField):
    """The nodes or edges of a graph. `executions.workflows.definitions` validates them, node by node."""


class WorkflowWriteSerializer(BodySerializer):
    closed = True
    returned = frozenset({"id", "version", "created_at", "updated_at"})
    workspace = serializers.UUIDField(required=False, help_text="Required if you are a member of several workspaces.")
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    nodes = GraphField()
    edges = GraphField(required=False)
    settings = serializers.DictField(required=False)
    active = serializers.BooleanField(required=False)
    base_version = serializers.IntegerField(
        min_value=1,
        required=False,
        help_text="The number of the version that the change is based on. If the workflow has a newer one, the response"
        " is 412 and nothing is saved. The header If-Match has the same effect.",
    )


class DetailsSerializer(BodySerializer):
    """What a workflow has beside its versions. At least one field."""

    closed = True
    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject a body without a field."""
        if not attrs:
            raise serializers.ValidationError("Give `name`, `description` or both.")
        return attrs


class StaleVersionSerializer(serializers.Serializer[Any]):
    """The problem of a change that is not based on the latest version (412)."""

    current_version = serializers.IntegerField()
    by = serializers.CharField(allow_null=True, help_text="The user who saved the latest version.")
    at = serializers.DateTimeField()


class DeletionQuerySerializer(QuerySerializer):
    dry_run = QueryBoolean(default=False, help_text="Only show what belongs to the workflow.")
    executions = QueryBoolean(
        default=False,
        help_text="Also cancel and delete its executions, with their events, outputs and files, by an operation.",
    )


class BelongingsSerializer(serializers.Serializer[Any]):
    """What belongs to a workflow, and what depends on it."""

    executions = serializers.IntegerField(help_text="Counted up to 10,000.")
    more_executions = serializers.BooleanField(help_text="Whether there are more executions than are counted.")
    running = serializers.IntegerField(help_text="Executions that have not ended.")
    schedules = serializers.IntegerField()
    webhook_paths = serializers.ListField(child=serializers.CharField(), help_text="At most 20.")
    callers = serializers.ListField(
        child=serializers.CharField(), help_text="The names of workflows that start this one; at most 20."
    )


class GraphSerializer(BodySerializer):
    """A graph to validate. Any JSON is accepted; the response lists the problems."""

    nodes = serializers.JSONField(allow_null=True)
    edges = serializers.JSONField(required=False, allow_null=True)


class ValidateSerializer(BodySerializer):
    nodes = serializers.JSONField(required=False, allow_null=True, help_text="Defaults to the saved nodes.")
    edges = serializers.JSONField(required=False, allow_null=True, help_text="Defaults to the saved edges.")


class VersionSerializer(_Definition, serializers.ModelSerializer[WorkflowVersion]):
    class Meta:
        model = WorkflowVersion
        fields = ["id", "number", "nodes", "edges", "settings", "created_at"]

    def to_representation(self, instance: WorkflowVersion) -> dict[str, Any]:
        return self.shown(super().to_representation(instance), instance.workflow.workspace_id)


@extend_schema_field(
    {"oneOf": [{"type": "array", "items": {"type": "object"}, "maxItems": 100_000}, {"type": "object"}]}
)
class ItemsField(serializers.ListField):
    """Items, in the schema also a single object. The serializer makes a list of it."""

    child = serializers.DictField()


class OnFailureField(serializers.ChoiceField):
    """What happens when a node fails for good."""

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "choices": OnFailure.choices,
            "required": False,
            "help_text": "When a node fails for good: `stop`, the execution fails; `hold`, it waits for a person."
            " Defaults to the workflow's settings.",
        }
        super().__init__(**defaults | options)


class HoldSecondsField(serializers.IntegerField):
    """How long a held node run waits for a person."""

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "min_value": MIN_HOLD_SECONDS,
            "max_value": MAX_HOLD_SECONDS,
            "required": False,
            "help_text": "How long a failed node waits for a person, with `on_failure: hold`. Then it fails. Defaults"
            " to the workflow's settings.",
        }
        super().__init__(**defaults | options)


class ExecuteSerializer(BodySerializer):
    closed = True
    input = ItemsField(
        required=False, max_length=100_000, help_text="Items: a list of objects. One object is one item."
    )
    priority = serializers.ChoiceField(choices=Priority.choices, default=Priority.DEFAULT.value)
    mode = serializers.ChoiceField(
        choices=Mode.choices,
        default=Mode.LIVE.value,
        help_text="`test` and `debug` executions come after live ones, and have no effect on endpoints and statistics.",
    )
    wait = serializers.FloatField(min_value=0, max_value=60, required=False)
    on_failure = OnFailureField()
    hold_seconds = HoldSecondsField()

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. A single object as input is one item."""
        if isinstance(data, Mapping) and isinstance(data.get("input"), dict):
            data = {**data, "input": [data["input"]]}
        return super().to_internal_value(data)


class ReasonSerializer(BodySerializer):
    closed = True
    reason = serializers.CharField(max_length=500, required=False, default="Requested.")


class CancelledDeliveriesSerializer(serializers.Serializer[Any]):
    withdrawn = serializers.IntegerField(help_text="Deliveries that were cancelled before they were sent.")
    arrived = serializers.IntegerField(help_text="Deliveries that had arrived before.")
    under_way = serializers.IntegerField(
        help_text="Deliveries in progress: they may still arrive, and are not retried."
    )
    left = serializers.ListField(
        child=serializers.UUIDField(), help_text="The ids of deliveries that were already sent; at most 100."
    )


class ExecutionSerializer(serializers.ModelSerializer[Execution]):
    workflow_name = serializers.CharField(source="workflow.name", read_only=True)
    workflow_version = serializers.IntegerField(source="version.number", read_only=True)
    stream = serializers.CharField(source="stream.name", read_only=True)
    events = serializers.IntegerField(source="stream.last_sequence", read_only=True)
    pause_requested = serializers.SerializerMethodField(
        help_text="Whether a pause is pending: it takes effect when the running nodes finish."
    )

    held = serializers.SerializerMethodField(
        help_text="Whether a node run waits for a person: `holds` of the execution says why."
    )
    cancelled_deliveries = serializers.SerializerMethodField(
        help_text="What the cancellation did to the execution's deliveries; null if there were none."
    )

    @extend_schema_field(CancelledDeliveriesSerializer(allow_null=True))
    def get_cancelled_deliveries(self, execution: Execution) -> Any:
        return (execution.cancel_request or {}).get("deliveries")

    def get_held(self, execution: Execution) -> bool:
        if ExecutionStatus(execution.status).ended or execution.started_at is None:
            return False
        held = self.context.get("held")
        return execution.pk in held if held is not None else open_holds([execution.pk]).exists()

    def get_pause_requested(self, execution: Execution) -> bool:
        return execution.pause_request is not None

    class Meta:
        model = Execution
        fields = [
            "id", "workflow", "workflow_name", "workflow_version", "status", "mode", "trigger", "priority", "error",
            "cause", "failed_node", "attributes", "queued_at", "started_at", "ended_at",
            "resume_at", "cancel_requested_at", "recoveries", "worker",
            "nodes_total", "cached_from", "stream", "events", "parent", "depth", "pause_requested",
            "on_failure", "hold_seconds", "held",
            "rerun_of", "rerun_from", "cancelled_deliveries",
        ]  # fmt: skip


class HolderSerializer(serializers.Serializer[Any]):
    execution = serializers.UUIDField()
    workflow = serializers.UUIDField()
    workflow_name = serializers.CharField()
    status = serializers.CharField()
    admitted_at = serializers.DateTimeField()


class QueueSerializer(serializers.Serializer[Any]):
    """Why an execution is queued, and when it is expected to start."""

    reason = serializers.ChoiceField(choices=get_args(Reason))
    detail = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True)
    in_use = serializers.IntegerField(allow_null=True)
    place = serializers.IntegerField()
    in_line = serializers.IntegerField()
    holders = HolderSerializer(many=True)
    other_holders = serializers.IntegerField()
    expected_start = serializers.DateTimeField(allow_null=True)
    expected_start_unknown = serializers.CharField(allow_null=True)
    also = serializers.ListField(child=serializers.CharField(), help_text="Further reasons, as in `reason`.")


class RelatedExecutionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    workflow = serializers.UUIDField()
    workflow_name = serializers.CharField()
    status = serializers.CharField()
    node = serializers.CharField(allow_null=True, help_text="The node of the parent execution that started the child.")
    run_index = serializers.IntegerField(allow_null=True)


class HoldSerializer(serializers.ModelSerializer[Wait]):
    """A node run that waits for a person."""

    node = serializers.CharField(source="node_id")
    at = serializers.ChoiceField(source="place", choices=HoldPlace.choices)
    reason = serializers.ChoiceField(source="details.reason", choices=["failure"])
    since = serializers.DateTimeField(source="created_at")
    error = serializers.DictField(
        source="details.error", allow_null=True, help_text="{type, message, node, retryable}, as in the node run."
    )

    class Meta:
        model = Wait
        fields = ["id", "node", "run_index", "attempt", "at", "reason", "since", "expires_at", "error"]
        read_only_fields = fields


class ExecutionDetailSerializer(ExecutionSerializer):
    holds = serializers.SerializerMethodField(help_text="The node runs that wait for a person, oldest first.")
    queue = serializers.SerializerMethodField(help_text="Why the execution is queued; null if it is not queued.")
    parent_execution = serializers.SerializerMethodField()
    children = serializers.SerializerMethodField(
        help_text="The child executions in the order in which they started; at most 100."
    )

    class Meta(ExecutionSerializer.Meta):
        fields = [*ExecutionSerializer.Meta.fields, "queue", "holds", "parent_execution", "children"]

    @extend_schema_field(HoldSerializer(many=True))
    def get_holds(self, execution: Execution) -> Any:
        if ExecutionStatus(execution.status).ended or execution.started_at is None:
            return []
        return HoldSerializer(open_holds([execution.pk]), many=True).data

    @extend_schema_field(QueueSerializer(allow_null=True))
    def get_queue(self, execution: Execution) -> dict[str, Any] | None:
        explanation = explain(execution, self.context["request"].user)
        return dict(QueueSerializer(explanation).data) if explanation else None

    @extend_schema_field(RelatedExecutionSerializer(allow_null=True))
    def get_parent_execution(self, execution: Execution) -> Any:
        parent = relations.parent_of(execution)
        return RelatedExecutionSerializer(parent).data if parent else None

    @extend_schema_field(RelatedExecutionSerializer(many=True))
    def get_children(self, execution: Execution) -> Any:
        return RelatedExecutionSerializer(relations.children_of(execution), many=True).data


class NamesQuerySerializer(QuerySerializer):
    execution = ManyField(serializers.UUIDField(), help_text="Ids of executions, separated by commas; at most 100.")


class NamesSerializer(serializers.Serializer[Any]):
    execution = serializers.UUIDField()
    workflow_name = serializers.CharField()
    nodes = serializers.DictField(child=serializers.CharField(), help_text="The names of the nodes by their ids.")


class DigestField(serializers.CharField):
    """A digest, keyed for the workspace of the execution; null if there is none. The context has the `digest_key`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: str) -> Any:
        """Return the digest as it may be shown."""
        return keyed(value, self.context["digest_key"]) or None


class NodeCostSerializer(serializers.Serializer[Any]):
    waits = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        help_text="Milliseconds: `turn_ms` for a thread of its worker, `sandbox_ms` for a sandbox process,"
        " `credential_ms` for a credential or its token, `cache_ms` for another execution that computed the"
        " same result, `pause_ms` between attempts (a retry, a time, a person, a child, a delivery).",
    )
    calls = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        help_text="`count`, `repeated` (sent again, since a kept connection was dead), the phases `dns_ms`,"
        " `connect_ms`, `tls_ms`, `first_byte_ms` and `transfer_ms` of all calls together, and `sent_bytes` and"
        " `received_bytes` of their bodies.",
    )

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return instance


class NodeRunSerializer(serializers.ModelSerializer[NodeRun]):
    """A node run. The context has its `execution`, with the version."""

    node = serializers.CharField(source="node_id")
    error = serializers.JSONField(
        read_only=True,
        help_text="{type, message, node, retryable}; `response` has what the called system answered: {status, headers,"
        " body, truncated}, and `expression` which one failed: {parameter, source, item, line, column}.",
    )
    parameters = serializers.DictField(
        read_only=True,
        allow_null=True,
        source="shown.parameters",
        help_text="After expressions, without secrets and bounded; null before they are evaluated.",
    )
    parameters_item = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        source="shown.parameters_item",
        help_text="The item for which they were evaluated: the first, or the first that failed. Null: they have no"
        " expressions.",
    )
    parameters_truncated = serializers.BooleanField(
        read_only=True, source="shown.parameters_truncated", help_text="Whether something was cut."
    )
    cpu_ms = serializers.FloatField(
        read_only=True,
        allow_null=True,
        help_text="CPU time of its threads and sandbox tasks, over all attempts. Null: unknown, as after a timeout.",
    )
    memory_bytes = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="The most memory that it used in a sandbox process. Null: it ran in threads that are shared.",
    )
    cost = NodeCostSerializer(
        read_only=True,
        allow_null=True,
        source="shown_cost",
        help_text="What it waited for and its outbound calls, over all attempts. What is zero is missing.",
    )
    digest = DigestField(help_text="Equal for equal outputs within the workspace.")
    request_digest = DigestField(help_text="Equal for equal requests to other systems within the workspace.")

    edited = serializers.JSONField(
        read_only=True,
        help_text="What people edited while it was held: {what, attempt}, the things and the first attempt with the"
        " last change. Null: nothing.",
    )

    class Meta:
        model = NodeRun
        fields = [
            "node", "name", "node_type", "run_index", "attempt", "status", "from_cache", "taken_from", "output_items",
            "output_bytes", "attributes", "digest", "request_digest", "failed_items", "error", "started_at", "ended_at",
            "wake_at", "duration_ms", "cpu_ms", "memory_bytes", "cost", "parameters", "parameters_item",
            "parameters_truncated", "edited",
        ]  # fmt: skip

    def to_representation(self, instance: NodeRun) -> dict[str, Any]:
        instance.shown = parameters_of(instance, self.context["execution"])  # type: ignore[attr-defined]
        return super().to_representation(instance)


class NodeRunFilterSerializer(QuerySerializer):
    last = serializers.IntegerField(
        min_value=1,
        max_value=1000,
        required=False,
        help_text="Return only this many of the newest runs, and the latest run of every node.",
    )
    node = serializers.CharField(max_length=100, required=False)
    run_index = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    from_run = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, help_text="Return only runs with this index or a later one."
    )
    status = serializers.ChoiceField(choices=[s.value for s in NodeRunStatus], required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_RUNS, default=MOST_RUNS)


class ExecutionEventsQuerySerializer(QuerySerializer):
    after = serializers.IntegerField(
        min_value=0,
        max_value=2**62,
        required=False,
        help_text="Return the events after this sequence, in order. Default 0.",
    )
    before = serializers.IntegerField(
        min_value=1, max_value=2**62, required=False, help_text="Return the events before this sequence, newest first."
    )
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=500)
    type = ManyField(
        help_text="Event types or patterns such as `execution.node_*`, separated by commas or as repeated parameters."
    )
    level = serializers.ChoiceField(
        choices=["lifecycle", "all"],
        default="all",
        help_text="lifecycle: only changes of the execution's status, without the events of its nodes.",
    )

    def validate_type(self, patterns: list[str]) -> list[str]:
        """Reject a pattern that matches no event type."""
        return checked_types(patterns)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject `after` together with `before`."""
        if "after" in attrs and "before" in attrs:
            raise serializers.ValidationError({"before": ["Give either `after` or `before`, not both."]})
        return attrs

    @property
    def types(self) -> frozenset[str] | None:
        """Return the requested event types; None for all."""
        params = self.validated_data
        types = matching_types(params["type"]) if params.get("type") else None
        if params["level"] == "all":
            return types
        return LIFECYCLE if types is None else types & LIFECYCLE


class ExecutionEventsSerializer(serializers.Serializer[Any]):
    events = EventSerializer(many=True)
    head = serializers.IntegerField(help_text="The stream's last sequence.")
    next_after = serializers.IntegerField(required=False, help_text="The value of `after` for the next page.")
    next_before = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="The value of `before` for the next page; null on the last page.",
    )
    removed_through = serializers.IntegerField(
        help_text="Retention removed the events up to and including this sequence."
    )


class LogFilterSerializer(QuerySerializer):
    run_index = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)
    after = serializers.IntegerField(min_value=0, max_value=2**62, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=500, default=200)


class RunFilterSerializer(QuerySerializer):
    run_index = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)


class OutputFilterSerializer(QuerySerializer):
    run_index = serializers.IntegerField(min_value=0, default=0)
    offset = serializers.IntegerField(min_value=0, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    lineage = serializers.BooleanField(default=False)
    relations = serializers.BooleanField(default=False)
    max_bytes = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        help_text="End each list before the item that exceeds so many bytes of JSON, but not before the first.",
    )
