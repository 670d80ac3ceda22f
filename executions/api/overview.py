"""`/api/executions/{id}/timeline/`, `…/flows/`, `…/expected/`, `…/critical-path/` and
`…/critical-path/stretches/`: an execution at a glance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions.models import Execution
from executions.overview.critical_path import critical_path, segment_data, shown_data, shown_path
from executions.overview.expected import expected
from executions.overview.flows import flows
from executions.overview.timeline import MAX_BUCKETS, MIN_BUCKETS, timeline
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.inputs import QuerySerializer

MAX_MS = 10.0 * 365 * 24 * 3600 * 1000


class TimelineQuerySerializer(QuerySerializer):
    from_ms = serializers.FloatField(min_value=0, max_value=MAX_MS, default=0.0)
    to_ms = serializers.FloatField(
        min_value=0, max_value=MAX_MS, required=False, help_text="Defaults to the end of the execution, or now."
    )
    buckets = serializers.IntegerField(
        min_value=MIN_BUCKETS,
        max_value=MAX_BUCKETS,
        default=200,
        help_text="Parts of time to add up in; a large graph gets fewer.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject a window without a length."""
        if "to_ms" in attrs and attrs["to_ms"] <= attrs["from_ms"]:
            raise serializers.ValidationError(
                {"to_ms": [f"The window ends at {attrs['to_ms']} and begins at {attrs['from_ms']}. End it later."]}
            )
        return attrs


class StretchesQuerySerializer(QuerySerializer):
    from_ms = serializers.FloatField(
        min_value=-MAX_MS, max_value=MAX_MS, required=False, help_text="Defaults to the queueing of the execution."
    )
    to_ms = serializers.FloatField(
        min_value=-MAX_MS, max_value=MAX_MS, required=False, help_text="Defaults to the end of the execution, or now."
    )
    buckets = serializers.IntegerField(min_value=MIN_BUCKETS, max_value=MAX_BUCKETS, default=200)


class PercentilesSerializer(serializers.Serializer[Any]):
    p50 = serializers.FloatField()
    p95 = serializers.FloatField()


class ExpectedNodeSerializer(serializers.Serializer[Any]):
    runs = serializers.FloatField(help_text="How often the node runs in an execution, the median.")
    samples = serializers.IntegerField(help_text="The node runs that the percentiles are over.")
    duration_ms = PercentilesSerializer(help_text="Of one run.")


class ExpectedSerializer(serializers.Serializer[Any]):
    executions = serializers.IntegerField(help_text="The earlier executions that the figures are over; at most 20.")
    same_version = serializers.BooleanField(help_text="Whether they are all of the version of this execution.")
    duration_ms = PercentilesSerializer(allow_null=True, help_text="Of a whole execution; null if nothing is known.")
    nodes = serializers.DictField(child=ExpectedNodeSerializer(), help_text="By node id.")


class EdgeItemsSerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]  # a name that fields have too
    source_output = serializers.CharField()
    target = serializers.CharField()
    target_input = serializers.CharField()
    items = serializers.IntegerField()
    reused = serializers.BooleanField(help_text="Whether all of them are reused outputs of an earlier execution.")


class FlowsSerializer(serializers.Serializer[Any]):
    through = serializers.IntegerField(
        help_text="The last sequence that is counted; 0 if the sums are unknown, as the events were removed."
    )
    edges = EdgeItemsSerializer(many=True)


class TimelineRunSerializer(serializers.Serializer[Any]):
    node = serializers.CharField()
    run_index = serializers.IntegerField()
    status = serializers.CharField()
    attempt = serializers.IntegerField()
    ready_ms = serializers.FloatField(allow_null=True, help_text="When its last items arrived.")
    start_ms = serializers.FloatField()
    end_ms = serializers.FloatField(allow_null=True)
    waits = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="When it waited: pairs of from and to.",
    )
    failed_ms = serializers.ListField(
        child=serializers.FloatField(), help_text="When its earlier attempts failed; of many, the first and the newest."
    )
    retries = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="The delays before its further attempts: pairs of from and to.",
    )


class TimelineCellSerializer(serializers.Serializer[Any]):
    bucket = serializers.IntegerField()
    runs = serializers.IntegerField(help_text="Runs that started in the bucket.")
    failed = serializers.IntegerField()
    retried = serializers.IntegerField()
    busy = serializers.FloatField(help_text="The time of its runs in the bucket, as a share of the bucket.")
    run_index = serializers.IntegerField(help_text="The first of the runs that start or end in the bucket.")


class TimelineSerializer(serializers.Serializer[Any]):
    """Times are in ms from the start of the execution."""

    from_ms = serializers.FloatField()
    to_ms = serializers.FloatField()
    now_ms = serializers.FloatField(help_text="When it was read: runs that start later are not in it.")
    bucket_ms = serializers.FloatField(
        allow_null=True, help_text="The length of a bucket; null if `runs` has every run of the window."
    )
    runs = TimelineRunSerializer(many=True, help_text="Every run of the window; empty if they are more than 500.")
    nodes = serializers.DictField(
        child=TimelineCellSerializer(many=True), help_text="The buckets of each node in which it ran, by node id."
    )


class PathSegmentSerializer(serializers.Serializer[Any]):
    """A part of the critical path."""

    kind = serializers.ChoiceField(
        choices=["admission", "queue", "run", "wait", "retry_delay", "turn", "paused", "recovery"],
        help_text="admission: a limit held the execution back. queue: no worker had taken it. run: the node ran. wait:"
        " the node waited. retry_delay: the delay before another attempt. turn: a node was ready, the worker was busy."
        " paused: the execution was paused. recovery: its worker was lost or stopped.",
    )
    ms = serializers.FloatField()
    node = serializers.CharField(required=False, help_text="The node's id.")
    run_index = serializers.IntegerField(required=False)
    wait = serializers.ChoiceField(
        choices=["time", "webhook", "approval", "execution", "delivery"],
        required=False,
        help_text="What a wait was for.",
    )
    segments = serializers.IntegerField(
        required=False, help_text="How many segments it adds up; only if the path is folded."
    )


class CriticalPathSerializer(serializers.Serializer[Any]):
    wall_ms = serializers.FloatField(help_text="From queueing to the end, or until now. The segments add up to it.")
    ended = serializers.BooleanField()
    folded = serializers.BooleanField(
        help_text="Whether the path has more than 2,000 segments, so that those of each node are added up."
    )
    segments = PathSegmentSerializer(many=True)
    totals = serializers.DictField(child=serializers.FloatField(), help_text="The ms of all segments, by kind.")
    slack = serializers.DictField(
        child=serializers.FloatField(),
        help_text="By node: how many ms longer each of its runs could have taken without a later end.",
    )


class PathStretchSerializer(serializers.Serializer[Any]):
    node = serializers.CharField()
    from_ms = serializers.FloatField()
    to_ms = serializers.FloatField()


class PathStretchesSerializer(serializers.Serializer[Any]):
    """Times are in ms from the start of the execution."""

    from_ms = serializers.FloatField(help_text="All of the execution if it has at most 2,000 stretches.")
    to_ms = serializers.FloatField()
    bucket_ms = serializers.FloatField(
        allow_null=True, help_text="The length of a bucket; null if each stretch has its own times."
    )
    stretches = PathStretchSerializer(
        many=True,
        help_text="When the path ran through a node, in the order of time. In buckets, those of nodes overlap.",
    )


class OverviewActions(viewsets.GenericViewSet[Execution]):
    """The addresses of one execution that sum up its node runs and events."""

    def _seen(self, pk: str | None) -> Execution:
        return get_visible_or_404(Execution.objects.select_related("version", "stream"), self.request.user, pk=pk)

    @extend_schema(parameters=[TimelineQuerySerializer], responses={200: TimelineSerializer}, filters=False)
    @action(detail=True, pagination_class=None)
    def timeline(self, request: Request, pk: str | None = None) -> Response:
        """Return when nodes ran in a window of time: each run if they are at most 500, else sums by node and bucket."""
        query = TimelineQuerySerializer.of(request).validated_data
        found = timeline(self._seen(pk), query["from_ms"], query.get("to_ms"), query["buckets"])
        return Response(TimelineSerializer(found).data)

    @extend_schema(responses={200: FlowsSerializer}, filters=False)
    @action(detail=True, pagination_class=None)
    def flows(self, request: Request, pk: str | None = None) -> Response:
        """Return how many items have flowed along each edge."""
        return Response(FlowsSerializer(flows(self._seen(pk))).data)

    @extend_schema(responses={200: ExpectedSerializer}, filters=False)
    @action(detail=True, pagination_class=None)
    def expected(self, request: Request, pk: str | None = None) -> Response:
        """Return how long the execution and its nodes usually take, from earlier completed live executions of the
        workflow; of the same version if there are enough."""
        return Response(ExpectedSerializer(expected(self._seen(pk))).data)

    @extend_schema(responses={200: CriticalPathSerializer}, filters=False)
    @action(detail=True, url_path="critical-path", pagination_class=None)
    def critical_path(self, request: Request, pk: str | None = None) -> Response:
        """Return what the execution waited for, from its queueing to its end: the chain of node runs of which each one
        began when the one before it had ended."""
        found = critical_path(self._seen(pk))
        return Response(asdict(found) | {"segments": [segment_data(each) for each in found.segments]})

    @extend_schema(parameters=[StretchesQuerySerializer], responses={200: PathStretchesSerializer}, filters=False)
    @action(detail=True, url_path="critical-path/stretches", pagination_class=None)
    def path_stretches(self, request: Request, pk: str | None = None) -> Response:
        """Return through which nodes the critical path runs in a window of time: each stretch if they are at most
        2,000, else the buckets of the window in which each node is on the path."""
        query = StretchesQuerySerializer.of(request).validated_data
        found = shown_path(self._seen(pk), query.get("from_ms"), query.get("to_ms"), query["buckets"])
        return Response(shown_data(found))
