"""`/api/executions/`: executions, their node runs with input and output, and their events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from events.log import reading
from executions import lifecycle
from executions.api.children import ChildrenActions
from executions.api.execution_filters import (
    ExecutionFilterSerializer,
    FailureFilterSerializer,
    FailureGroupsSerializer,
    criteria_of,
)
from executions.api.execution_pages import ExecutionPages
from executions.api.holds import HoldActions
from executions.api.item_lineage import item_lineage
from executions.api.node_run_details import (
    LARGE,
    latest_of_nodes,
    load_details,
    parameters_of,
    relations_of,
    within,
)
from executions.api.overview import OverviewActions
from executions.api.reruns import RerunActions
from executions.api.serializers import (
    ExecutionDetailSerializer,
    ExecutionEventsQuerySerializer,
    ExecutionEventsSerializer,
    ExecutionSerializer,
    LogFilterSerializer,
    NamesQuerySerializer,
    NamesSerializer,
    NodeRunFilterSerializer,
    NodeRunSerializer,
    OutputFilterSerializer,
    ReasonSerializer,
    RunFilterSerializer,
)
from executions.domain.digests import keyed
from executions.holds import inputs_of, open_holds
from executions.lifecycle import output_digests
from executions.listing import failure_groups, visible_workspaces
from executions.models import Execution, NodeRun
from executions.nodes import exchanges
from executions.pages.similar_failures import similar_failures
from executions.traces.trace import Focus, trace
from workflow_platform.core.accounts.models import Role, TokenScope
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.api.problems import Problem
from workflow_platform.core.secrets.secret_names import masked


class ExecutionViewSet(ChildrenActions, HoldActions, OverviewActions, RerunActions):
    serializer_class = ExecutionSerializer
    queryset = Execution.objects.none()
    pagination_class = ExecutionPages
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {"debug": TokenScope.EDIT, ELSE: TokenScope.RUN}

    def get_queryset(self) -> QuerySet[Execution]:
        return Execution.objects.visible_to(self.request.user).select_related("workflow", "version", "stream")

    def _execution(self, pk: str, role: Role = Role.VIEWER) -> Execution:
        rows = Execution.objects.select_related("workflow", "version", "stream")
        return get_visible_or_404(rows, self.request.user, role, pk=pk)

    @extend_schema(parameters=[ExecutionFilterSerializer])
    def list(self, request: Request) -> Response:
        """List executions, newest first or in the order of `sort`."""
        query = ExecutionFilterSerializer.of(request)
        pages = cast(ExecutionPages, self.paginator)
        rows = Execution.objects.select_related("workflow", "version", "stream")
        found = pages.page_rows(request, query.criteria(), query.sort_order(), rows.defer("input"))
        held = set(open_holds([row.pk for row in found]).values_list("execution_id", flat=True))
        return self.get_paginated_response(ExecutionSerializer(found, many=True, context={"held": held}).data)

    @extend_schema(parameters=[FailureFilterSerializer], responses={200: FailureGroupsSerializer}, filters=False)
    @action(detail=False, pagination_class=None)
    def failures(self, request: Request) -> Response:
        """Group failed executions by cause: failures of a workflow whose errors differ only in numbers, ids and quoted
        texts. 400 if there are too many to group: narrow the time."""
        criteria = criteria_of(FailureFilterSerializer.of(request).validated_data)
        groups = failure_groups(visible_workspaces(request.user, criteria), criteria)
        if groups is None:
            raise Problem(400, "There are too many executions to group. Narrow the time with `since` and `until`.")
        return Response(FailureGroupsSerializer({"groups": groups}).data)

    @extend_schema(parameters=[NamesQuerySerializer], responses={200: NamesSerializer(many=True)})
    @action(detail=False, methods=["get"], pagination_class=None)
    def names(self, request: Request) -> Response:
        """Return the names that events of these executions leave out: of the workflow, and of the nodes by id."""
        ids = NamesQuerySerializer.of(request).validated_data.get("execution", [])
        rows = Execution.objects.visible_to(request.user).filter(pk__in=ids).select_related("workflow", "version")
        return Response(
            [
                {
                    "execution": row.pk,
                    "workflow_name": row.workflow.name,
                    "nodes": {each["id"]: each["name"] for each in row.version.nodes},
                }
                for row in rows
            ]
        )

    @extend_schema(responses={200: ExecutionDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        """Return one execution. While it is queued, `queue` explains why."""
        return Response(ExecutionDetailSerializer(self._execution(pk), context={"request": request}).data)

    @extend_schema(request=ReasonSerializer, responses={202: ExecutionSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Request cancellation. A running execution is cancelled within a second, any other at once."""
        return self._control(request, pk, lifecycle.request_cancel)

    @extend_schema(request=ReasonSerializer, responses={202: ExecutionSerializer})
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Pause the execution: at once if no node is running, else when its running nodes finish. 409 if it cannot be
        paused."""
        return self._control(request, pk, lifecycle.request_pause)

    @extend_schema(request=ReasonSerializer, responses={202: ExecutionSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Resume the execution where it was paused, as soon as its limits allow. Its waits continue. 409 if it is not
        paused."""
        return self._control(request, pk, lifecycle.request_resume)

    def _control(self, request: Request, pk: str, request_change: Callable[..., Execution]) -> Response:
        execution = self._execution(pk, Role.EDITOR)
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            request_change(execution, by=request.user, reason=body.validated_data["reason"])
        except lifecycle.CannotControl as error:
            raise Problem(409, str(error)) from None
        return Response(ExecutionSerializer(self._execution(pk)).data, status=status.HTTP_202_ACCEPTED)

    # Not `trace`: to DRF that name is the handler of the HTTP method TRACE, on every address of the view set.
    @extend_schema(operation_id="executions_trace_retrieve", responses={200: dict})
    @action(detail=True, pagination_class=None, url_path="trace", url_name="trace")
    def show_trace(self, request: Request, pk: str) -> Response:
        """Return the causes and effects of the execution: inbound request → execution → node run → event → delivery →
        attempt."""
        execution = self._execution(pk)
        return Response(trace(Focus(execution.workspace_id, execution.pk)))

    @extend_schema(parameters=[NodeRunFilterSerializer], responses={200: NodeRunSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def nodes(self, request: Request, pk: str) -> Response:
        """List the node runs in the order in which they started, without input and output. Digests of large outputs
        are made when they are first asked for, some at a time: `digest` may be null until the next request. In a long
        list, errors and parameters beyond 8 MiB are shortened; ask for one node run to see them."""
        query = NodeRunFilterSerializer.of(request)
        execution = self._execution(pk)
        runs = NodeRun.objects.filter(execution=execution)
        filters = {"node": "node_id", "run_index": "run_index", "from_run": "run_index__gte", "status": "status"}
        runs = runs.filter(**{filters[name]: value for name, value in query.validated_data.items() if name in filters})
        if last := query.validated_data.get("last"):
            newest = runs.order_by("-id").values_list("pk", flat=True)[:last]
            runs = runs.filter(pk__in=[*newest, *latest_of_nodes(execution)])
        shown = list(runs.defer(*LARGE).order_by("id")[: query.validated_data["limit"]])
        load_details(shown)
        output_digests.ensure_digests(shown)
        context = {"digest_key": output_digests.key_of(execution), "execution": execution}
        return Response(NodeRunSerializer(shown, many=True, context=context).data)

    @extend_schema(parameters=[OutputFilterSerializer], responses={200: dict})
    @action(detail=True, url_path=r"nodes/(?P<node>[\s\S]{1,100})/output", pagination_class=None)
    def output(self, request: Request, pk: str, node: str) -> Response:
        """Return the input and output items of a node run, from `offset`; `totals` counts all items, also those beyond
        `limit`. For viewers, fields with the name of a secret (password, token, authorization …) are masked; editors
        see them.

        With `lineage=true`, `lineage` has for each item of `outputs` the items that it came from, and `destinations`
        the items that were made of it: `[{node, run_index, output, item}]`, or null if unknown. Long lists are cut;
        `totals` has their lengths.

        `exchange` is what a network node sent and received, and `attempts` are those before the last one, redacted.
        With `relations=true`: `sources`, the node runs that the items came from, and `deliveries`, what
        the node run sent.
        """
        query = OutputFilterSerializer.of(request)
        execution, run = self._node_run(request, pk, node, query.validated_data["run_index"])
        inputs, outputs = inputs_of(execution, run), run.output or {}
        page = slice(query.validated_data["offset"], query.validated_data["offset"] + query.validated_data["limit"])
        whole = Execution.objects.visible_to(request.user, Role.EDITOR).filter(pk=execution.pk).exists()
        shown: Callable[[Any], Any] = (lambda items: items) if whole else masked
        output_digests.ensure_digests([run])
        digest = partial(keyed, key=output_digests.key_of(execution))
        most = query.validated_data.get("max_bytes")
        found: dict[str, Any] = {"totals": {}}
        if query.validated_data["lineage"]:
            found = item_lineage(execution, run, {name: range(len(items))[page] for name, items in outputs.items()})
        return Response(
            {
                "node": run.node_id,
                "run_index": run.run_index,
                "status": run.status,
                "attempt": run.attempt,
                "error": run.error,
                "taken_from": run.taken_from,
                "digest": digest(run.digest) or None,
                "request_digest": digest(run.request_digest) or None,
                "exchange": exchanges.shown(run.exchange, digest),
                "attempts": run.attempts or [],
                **parameters_of(run, execution),
                **(relations_of(run, execution) if query.validated_data["relations"] else {}),
                "inputs": {name: shown(within(items[page], most)) for name, items in inputs.items()},
                "outputs": {name: shown(within(items[page], most)) for name, items in outputs.items()},
                **found,
                "totals": {
                    "inputs": {name: len(items) for name, items in inputs.items()},
                    "outputs": {name: len(items) for name, items in outputs.items()},
                    **found["totals"],
                },
            }
        )

    def _node_run(self, request: Request, pk: str, node: str, run_index: int) -> tuple[Execution, NodeRun]:
        execution = self._execution(pk)
        runs = NodeRun.objects.filter(run_index=run_index, node_id=node, execution=execution)
        return execution, get_visible_or_404(runs, request.user)

    @extend_schema(parameters=[LogFilterSerializer], responses={200: dict})
    @action(detail=True, url_path=r"nodes/(?P<node>[\s\S]{1,100})/logs", pagination_class=None)
    def logs(self, request: Request, pk: str, node: str) -> Response:
        """Return the log lines of a node run, `{sequence, time, level, message}`, after the sequence `after`;
        `next_after` continues, and is null on the last page."""
        query = LogFilterSerializer.of(request).validated_data
        execution, run = self._node_run(request, pk, node, query["run_index"])
        name, limit = execution.stream.name, query["limit"]
        fields = {"node": run.node_id, "run_index": str(run.run_index)}
        stream = reading.states([name])[name]
        found = reading.page_after(stream, query["after"], limit + 1, {"execution.log"}, fields=fields)
        envelopes = [event.envelope(name) for event in found[:limit]]
        lines = [
            {"sequence": each["sequence"], "time": each["time"]}
            | {key: each["data"][key] for key in ("level", "message")}
            for each in envelopes
        ]
        return Response({"lines": lines, "next_after": lines[-1]["sequence"] if len(found) > limit else None})

    @extend_schema(parameters=[RunFilterSerializer], responses={200: dict})
    @action(
        detail=True, url_path=r"nodes/(?P<node>[\s\S]{1,100})/similar-failures", url_name="similar-failures",
        pagination_class=None,
    )  # fmt: skip
    def similar(self, request: Request, pk: str, node: str) -> Response:
        """Return how many executions of the workflow failed for the same cause as the node run: the same node, type and
        message, apart from numbers, ids, addresses and quoted texts. They are counted up to 1,000; `more` says whether
        there are more. `executions` are the newest others, and `cause` filters lists of executions. It is null if the
        node run has not failed."""
        query = RunFilterSerializer.of(request).validated_data
        execution, run = self._node_run(request, pk, node, query["run_index"])
        return Response(similar_failures(execution, run.error))

    @extend_schema(parameters=[ExecutionEventsQuerySerializer], responses={200: ExecutionEventsSerializer})
    @action(detail=True, pagination_class=None)
    def events(self, request: Request, pk: str) -> Response:
        """List the execution's events in sequence: after `after`, or backwards from `before`."""
        execution = self._execution(pk)
        query = ExecutionEventsQuerySerializer.of(request)
        params = query.validated_data
        name = execution.stream.name
        stream = reading.states([name])[name]
        if before := params.get("before"):
            events = reading.page_before(stream, before, params["limit"], query.types)
            more = len(events) == params["limit"] and events[-1].sequence > stream.removed_through + 1
            position: dict[str, Any] = {"next_before": events[-1].sequence if more else None}
        else:
            after = params.get("after", 0)
            events = reading.page_after(stream, after, params["limit"], query.types)
            position = {"next_after": events[-1].sequence if events else after}
        # Read after the events, so that events which retention removed meanwhile are reported as removed.
        removed = reading.states([name])[name].removed_through
        envelopes = [event.envelope(name) for event in events]
        return Response({"events": envelopes, "head": stream.head, **position, "removed_through": removed})
