"""`/api/executions/`: the list, one execution, its node runs with their output, its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from events.log import reading
from executions import lifecycle
from executions.api.reruns import RerunActions
from executions.api.serializers import (
    ExecutionDetailSerializer,
    ExecutionEventsQuerySerializer,
    ExecutionEventsSerializer,
    ExecutionFilterSerializer,
    ExecutionSerializer,
    NodeRunFilterSerializer,
    NodeRunSerializer,
    OutputFilterSerializer,
    ReasonSerializer,
)
from executions.domain.statuses import NodeRunStatus
from executions.models import Execution, NodeRun
from executions.traces.trace import Focus, trace
from workflow_platform.core.accounts.models import Role
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.problems import Problem
from workflow_platform.core.secrets.secret_names import masked

MOST_RUNS = 10_000


class ExecutionViewSet(RerunActions):
    serializer_class = ExecutionSerializer
    queryset = Execution.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_queryset(self) -> QuerySet[Execution]:
        return Execution.objects.visible_to(self.request.user).select_related("workflow", "version", "stream")

    def _execution(self, pk: str, role: Role = Role.VIEWER) -> Execution:
        found = Execution.objects.select_related("workflow", "version", "stream")
        return get_visible_or_404(found, self.request.user, role, pk=pk)

    @extend_schema(parameters=[ExecutionFilterSerializer])
    def list(self, request: Request) -> Response:
        wanted = ExecutionFilterSerializer.of(request)
        filters: dict[str, Any] = {
            "workflow": "workflow_id", "status": "status__in", "trigger": "trigger",
            "since": "queued_at__gte", "until": "queued_at__lt", "rerun_of": "rerun_of_id",
        }  # fmt: skip
        chosen = {filters[name]: value for name, value in wanted.validated_data.items() if value}
        page = self.paginate_queryset(self.get_queryset().filter(**chosen))
        return self.get_paginated_response(ExecutionSerializer(page, many=True).data)

    @extend_schema(responses={200: ExecutionDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        """One execution; while it is queued, `queue` says why."""
        return Response(ExecutionDetailSerializer(self._execution(pk), context={"request": request}).data)

    @extend_schema(request=ReasonSerializer, responses={202: ExecutionSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Ask for cancellation; takes effect within a second where a worker holds the execution, at once elsewhere."""
        return self._control(request, pk, lifecycle.request_cancel)

    @extend_schema(request=ReasonSerializer, responses={202: ExecutionSerializer})
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Start no further node: at once where nothing runs, else after the nodes that are at work. 409 where there is
        nothing to pause."""
        return self._control(request, pk, lifecycle.request_pause)

    @extend_schema(request=ReasonSerializer, responses={202: ExecutionSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on exactly where it was paused, as soon as the limits let it; what it waited for is waited for again. 409
        where it is not paused."""
        return self._control(request, pk, lifecycle.request_resume)

    def _control(self, request: Request, pk: str, ask: Callable[..., Execution]) -> Response:
        execution = self._execution(pk, Role.EDITOR)
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            ask(execution, by=request.user, reason=body.validated_data["reason"])
        except lifecycle.CannotControl as error:
            raise Problem(409, str(error)) from None
        return Response(ExecutionSerializer(self._execution(pk)).data, status=status.HTTP_202_ACCEPTED)

    # Not `trace`: to DRF that name is the handler of the HTTP method TRACE, on every address of the view set.
    @extend_schema(operation_id="executions_trace_retrieve", responses={200: dict})
    @action(detail=True, pagination_class=None, url_path="trace", url_name="trace")
    def show_trace(self, request: Request, pk: str) -> Response:
        """What led to it and what it led to: inbound request → execution → node run → event → delivery → attempt."""
        execution = self._execution(pk)
        return Response(trace(Focus(execution.workspace_id, execution.pk)))

    @extend_schema(parameters=[NodeRunFilterSerializer], responses={200: NodeRunSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def nodes(self, request: Request, pk: str) -> Response:
        """The node runs, in the order in which they began, without their output."""
        wanted = NodeRunFilterSerializer.of(request)
        runs = NodeRun.objects.filter(execution=self._execution(pk))
        filters = {"node": "node_id", "run_index": "run_index"}
        runs = runs.filter(**{filters[name]: value for name, value in wanted.validated_data.items() if name in filters})
        if last := wanted.validated_data.get("last"):
            newest = runs.order_by("-id").values("pk")[:last]
            latest = runs.order_by("node_id", "-run_index").distinct("node_id").values("pk")
            runs = runs.filter(Q(pk__in=newest) | Q(pk__in=latest))
        return Response(NodeRunSerializer(runs.defer("output", "inputs").order_by("id")[:MOST_RUNS], many=True).data)

    @extend_schema(parameters=[OutputFilterSerializer], responses={200: dict})
    @action(detail=True, url_path="nodes/(?P<node>[^/]{1,100})/output")
    def output(self, request: Request, pk: str, node: str) -> Response:
        """The items that a node run took in and gave out; `totals` counts what `limit` leaves out. For viewers, what
        has the name of a secret (password, token, authorization …) is masked; editors see it."""
        wanted = OutputFilterSerializer.of(request)
        execution = self._execution(pk)
        runs = NodeRun.objects.filter(run_index=wanted.validated_data["run_index"], node_id=node, execution=execution)
        run = get_visible_or_404(runs, request.user)
        inputs, outputs = inputs_of(execution, run), run.output or {}
        limit = wanted.validated_data["limit"]
        whole = Execution.objects.visible_to(request.user, Role.EDITOR).filter(pk=execution.pk).exists()
        shown: Callable[[Any], Any] = (lambda items: items) if whole else masked
        return Response(
            {
                "node": run.node_id,
                "run_index": run.run_index,
                "status": run.status,
                "attempt": run.attempt,
                "error": run.error,
                "taken_from": run.taken_from,
                "inputs": {name: shown(items[:limit]) for name, items in inputs.items()},
                "outputs": {name: shown(items[:limit]) for name, items in outputs.items()},
                "totals": {
                    "inputs": {name: len(items) for name, items in inputs.items()},
                    "outputs": {name: len(items) for name, items in outputs.items()},
                },
            }
        )

    @extend_schema(parameters=[ExecutionEventsQuerySerializer], responses={200: ExecutionEventsSerializer})
    @action(detail=True)
    def events(self, request: Request, pk: str) -> Response:
        """History of the execution's stream, in sequence from `after` on, or back from `before`."""
        execution = self._execution(pk)
        wanted = ExecutionEventsQuerySerializer.of(request)
        given = wanted.validated_data
        name = execution.stream.name
        stream = reading.states([name])[name]
        if before := given.get("before"):
            found = reading.page_before(stream, before, given["limit"], wanted.types)
            more = len(found) == given["limit"] and found[-1].sequence > stream.removed_through + 1
            place: dict[str, Any] = {"next_before": found[-1].sequence if more else None}
        else:
            after = given.get("after", 0)
            found = reading.page_after(stream, after, given["limit"], wanted.types)
            place = {"next_after": found[-1].sequence if found else after}
        # Read after the events: what was not found for having been removed is said to have been.
        removed = reading.states([name])[name].removed_through
        events = [event.envelope(name) for event in found]
        return Response({"events": events, "head": stream.head, **place, "removed_through": removed})


def inputs_of(execution: Execution, run: NodeRun) -> dict[str, list[dict[str, Any]]]:
    """Return the items that a node run took in, found where they were given out."""
    if not run.inputs:
        entries = {execution.trigger_node: execution.input} | (execution.replaced_input or {})
        return {"main": entries[run.node_id]} if run.node_id in entries and run.status != NodeRunStatus.SKIPPED else {}
    wanted = {ref["node"] for refs in run.inputs.values() for ref in refs}
    rows = NodeRun.objects.filter(execution=execution, node_id__in=wanted).values_list("node_id", "run_index", "output")
    outputs = {(node, run_index): output or {} for node, run_index, output in rows}
    return {
        name: [item for ref in refs for item in outputs.get((ref["node"], ref["run_index"]), {}).get(ref["output"], [])]
        for name, refs in run.inputs.items()
    }
