"""`/api/workflows/{id}/node-groups/`: how the caller groups and collapses the nodes of a workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.models import NodeGrouping, Workflow
from workflow_platform.core.accounts.models import TokenScope
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.views import user_of
from workflow_platform.core.api.inputs import BodySerializer

MAX_OWN, MAX_NODES, MAX_COLLAPSED = 50, 1000, 200
_ID = 120


class OwnGroupSerializer(BodySerializer):
    closed = True

    id = serializers.RegexField(r"^own:[A-Za-z0-9-]{1,40}$", help_text="`own:` and letters, digits or hyphens.")
    name = serializers.CharField(max_length=100)
    nodes = serializers.ListField(
        child=serializers.CharField(max_length=100), min_length=1, max_length=MAX_NODES, help_text="Ids of nodes."
    )


class NodeGroupsSerializer(BodySerializer):
    closed = True

    own = serializers.ListField(child=OwnGroupSerializer(), max_length=MAX_OWN, help_text="Your own groups of nodes.")
    collapsed = serializers.ListField(
        child=serializers.CharField(max_length=_ID),
        max_length=MAX_COLLAPSED,
        help_text="The ids of the groups that are collapsed: own ones, `loop:` and `branch:` with the id of a node.",
    )

    def validate_own(self, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Reject two groups with one id."""
        ids = [group["id"] for group in own]
        if twice := sorted({each for each in ids if ids.count(each) > 1}):
            raise serializers.ValidationError(f"Two groups have the id {twice[0]!r}. Give each its own id.")
        return own


class NodeGroupsView(APIView):
    token_scopes = {"put": TokenScope.RUN}

    @extend_schema(responses=NodeGroupsSerializer)
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """Show your own groups of the nodes of a workflow, and which groups you have collapsed."""
        workflow = self._workflow(request, workflow_id)
        found = NodeGrouping.objects.filter(user=user_of(request), workflow=workflow).first()
        return Response({"own": found.own, "collapsed": found.collapsed} if found else {"own": [], "collapsed": []})

    @extend_schema(request=NodeGroupsSerializer, responses=NodeGroupsSerializer)
    def put(self, request: Request, workflow_id: UUID) -> Response:
        """Replace your groups of the nodes of a workflow, and which are collapsed. They are yours alone."""
        workflow = self._workflow(request, workflow_id)
        body = NodeGroupsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        NodeGrouping.objects.update_or_create(user=user_of(request), workflow=workflow, defaults=body.validated_data)
        return Response(body.validated_data)

    def _workflow(self, request: Request, workflow_id: UUID) -> Workflow:
        return get_visible_or_404(Workflow.objects.filter(deleted_at__isnull=True), request.user, pk=workflow_id)
