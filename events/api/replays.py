"""`POST /api/events/replay/` and `/api/events/replays/`: show or send recorded events again. No workflow runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events.api.replay_serializers import (
    ReplayListFilterSerializer,
    ReplayRequestSerializer,
    ReplaySerializer,
    SeekSerializer,
    SpeedSerializer,
)
from events.replay import control, reading
from events.replay.control import CannotControlReplay, Command
from events.replay.creation import CannotReplay, TooManyReplays, create
from events.replay.models import Replay, ReplayQuerySet
from workflow_platform.core.accounts import idempotency
from workflow_platform.core.accounts.idempotency import create_once
from workflow_platform.core.accounts.models import Role, TokenScope, User
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.token_scopes import ELSE
from workflow_platform.core.api.problems import Problem


def shown(replay: Replay) -> Any:
    """Return a replay for the API, with its current state."""
    return all_shown([replay])[0]


def all_shown(replays: Iterable[Replay]) -> Any:
    """Return replays for the API, with their current states."""
    rows, now = list(replays), reading.database_now()
    snapshots = {row.pk: reading.snapshot(row, now) for row in rows}
    return ReplaySerializer(rows, many=True, context={"snapshots": snapshots}).data


class ReplayView(APIView):
    token_scopes = {"post": TokenScope.RUN}

    @extend_schema(
        operation_id="events_replay",
        request=ReplayRequestSerializer,
        responses={201: ReplaySerializer, 429: None},
        parameters=[idempotency.PARAMETER],
    )
    def post(self, request: Request) -> Response:
        """Create a replay of the events that match a filter: at a multiple of the original pace, with a fixed delay, or
        at once; to the stream `replay:<id>`, an endpoint or a URL. For an endpoint or URL it contains only events of
        workspaces in which the caller is an editor."""
        body = ReplayRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user = cast(User, request.user)
        try:
            replay, _ = create_once(
                request,
                lambda pk: Replay.objects.visible_to(user).filter(pk=pk).first(),
                lambda: create(body.replay_request(), user),
            )
        except CannotReplay as error:
            raise _refused(400, str(error), error.field) from None
        except TooManyReplays as error:
            raise Problem(429, str(error)) from None
        return Response(shown(replay), status=status.HTTP_201_CREATED)


class ReplayViewSet(viewsets.GenericViewSet[Replay]):
    serializer_class = ReplaySerializer
    queryset = Replay.objects.none()
    lookup_value_regex = "[0-9a-f-]{36}"
    token_scopes = {ELSE: TokenScope.RUN}

    def get_queryset(self) -> ReplayQuerySet:
        return Replay.objects.visible_to(self.request.user).select_related("created_by")

    @extend_schema(parameters=[ReplayListFilterSerializer])
    def list(self, request: Request) -> Response:
        query = ReplayListFilterSerializer.of(request)
        replays = self.get_queryset()
        if execution := query.validated_data.get("execution"):
            replays = replays.filter(filter__execution=str(execution))
        if query.validated_data["mine"]:
            replays = replays.filter(created_by=cast(User, request.user))
        if query.validated_data["unfinished"]:
            replays = replays.unfinished(reading.database_now())
        return self.get_paginated_response(all_shown(self.paginate_queryset(replays) or []))

    def retrieve(self, request: Request, pk: str) -> Response:
        """The progress of the replay: position, offset, percent."""
        return Response(shown(self._replay(request, pk)))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Pause the replay. Allowed for its creator and the editors of its workspaces, like the other commands."""
        return self._order(request, pk, Command("pause"))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Resume the replay. A failed replay continues with the event that could not be delivered."""
        return self._order(request, pk, Command("resume"))

    @extend_schema(request=SeekSerializer)
    @action(detail=True, methods=["post"])
    def seek(self, request: Request, pk: str) -> Response:
        """Move to a sequence, an offset or an original time, forwards or backwards."""
        return self._order(request, pk, "seek", SeekSerializer)

    @extend_schema(request=SpeedSerializer)
    @action(detail=True, methods=["post"])
    def speed(self, request: Request, pk: str) -> Response:
        """Change the speed from the current position on."""
        return self._order(request, pk, "speed", SpeedSerializer)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel the replay. A cancelled replay cannot be resumed."""
        return self._order(request, pk, Command("cancel"))

    def _replay(self, request: Request, pk: str, role: Role = Role.VIEWER) -> Replay:
        return get_visible_or_404(Replay.objects.select_related("created_by"), request.user, role, pk=pk)

    def _order(
        self, request: Request, pk: str, what: Command | str, body: type[serializers.Serializer[Any]] | None = None
    ) -> Response:
        replay = self._replay(request, pk, Role.EDITOR)
        if isinstance(what, str):
            assert body is not None
            serializer = body(data=request.data)
            serializer.is_valid(raise_exception=True)
            what = Command(what, **serializer.validated_data)
        try:
            control.apply_command(replay.pk, what, cast(User, request.user))
        except CannotControlReplay as error:
            raise _refused(400 if error.field else 409, str(error), error.field) from None
        return Response(shown(self._replay(request, pk)))


def _refused(code: int, message: str, field: str) -> Problem:
    errors = [{"field": field, "message": message, "code": "invalid"}] if field else None
    return Problem(code, f"{field}: {message}" if field else message, errors)
