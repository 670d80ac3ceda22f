"""Serializers of replays."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from events.api.query_fields import checked_types
from events.history.event_filter import BadPattern, EventFilter, matching_sources
from events.replay.control import FASTEST, SLOWEST
from events.replay.creation import ReplayPace, ReplayRequest
from events.replay.models import Replay, ReplayMode, ReplayStatus, ReplayTarget
from events.replay.url_target import UrlTarget, signing_key
from workflow_platform.core import outbound
from workflow_platform.core.api.inputs import BodySerializer, Moment, QueryBoolean, QuerySerializer
from workflow_platform.core.outbound import OutboundFailed, OutboundRefused

LONGEST_DELAY_MS = 3_600_000
MOST_HEADERS, LONGEST_HEADER = 20, 4_096
OUR_HEADERS = ("content-type", "content-length", "host", "x-replay")


class _Text(serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": 60} | kwargs))


class ReplayFilterSerializer(BodySerializer):
    closed = True
    types = serializers.ListField(
        child=_Text(), required=False, max_length=50, help_text="Event types or patterns such as `execution.*`."
    )
    sources = serializers.ListField(child=_Text(), required=False, max_length=50, help_text="Sources or patterns.")
    workflow = serializers.UUIDField(required=False)
    execution = serializers.UUIDField(required=False)
    streams = serializers.ListField(
        child=_Text(max_length=80), required=False, max_length=100, help_text="Names of streams."
    )
    since = Moment(required=False, help_text="Events at this time or later.")
    until = Moment(required=False, help_text="Events before this time.")
    text = serializers.CharField(required=False, max_length=200, help_text="A text in the event's type or data.")

    def validate_types(self, value: list[str]) -> list[str]:
        """Reject patterns that match no event type."""
        return checked_types(value)

    def validate_sources(self, value: list[str]) -> list[str]:
        """Reject invalid patterns of sources."""
        try:
            matching_sources(value)
        except BadPattern as error:
            raise serializers.ValidationError(str(error)) from None
        return value


class ReplayTargetSerializer(BodySerializer):
    closed = True
    type = serializers.ChoiceField(choices=ReplayTarget.choices)
    endpoint = serializers.UUIDField(
        required=False,
        help_text="The id of an endpoint. Each event becomes a delivery of it when it is due.",
    )
    url = serializers.CharField(required=False, max_length=2_000, help_text="Any URL, instead of an endpoint.")
    headers = serializers.DictField(
        child=serializers.CharField(max_length=LONGEST_HEADER, allow_blank=True), required=False, write_only=True
    )
    secret = serializers.CharField(
        required=False,
        min_length=8,
        max_length=200,
        write_only=True,
        help_text="Signs each request as in Standard Webhooks. After `whsec_` it must be Base64.",
    )

    def validate_url(self, value: str) -> str:
        """Reject URLs that outbound requests may not call."""
        try:
            outbound.check_url(value)
        except (OutboundRefused, OutboundFailed) as error:
            raise serializers.ValidationError(str(error)) from None
        return value

    def validate_headers(self, value: dict[str, str]) -> dict[str, str]:
        """Reject headers that the platform sets, and invalid ones."""
        if len(value) > MOST_HEADERS:
            raise serializers.ValidationError(f"There are {len(value)} headers; at most {MOST_HEADERS} are allowed.")
        for name, content in value.items():
            if name.lower() in OUR_HEADERS or name.lower().startswith("webhook-"):
                raise serializers.ValidationError(f"The platform sets the header {name}. Remove it.")
            if not outbound_header(name, content):
                raise serializers.ValidationError(f"The header {name[:60]!r} has an invalid name or value.")
        return value

    def validate_secret(self, value: str) -> str:
        """Reject `whsec_` without Base64."""
        try:
            signing_key(value)
        except ValueError:
            raise serializers.ValidationError("After whsec_ the secret must be Base64.") from None
        return value

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        to_endpoint = data["type"] == ReplayTarget.ENDPOINT
        by_id = "endpoint" in data
        if to_endpoint and not by_id and not data.get("url"):
            raise serializers.ValidationError({"url": "Give `endpoint` or `url`."})
        for name in ("url", "headers", "secret"):
            if by_id and name in data:
                raise serializers.ValidationError(
                    {name: "The endpoint defines this. Remove the field, or give `url` instead of `endpoint`."}
                )
        for name in ("endpoint", "url", "headers", "secret"):
            if not to_endpoint and name in data:
                raise serializers.ValidationError({name: "Only the target `endpoint` accepts this field."})
        return data


def outbound_header(name: str, value: str) -> bool:
    """Return whether a header is valid: a token, and a value of visible characters."""
    token = name.isascii() and name and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
    return bool(token) and len(name) <= 100 and all(c == "\t" or " " <= c <= "~" for c in value)


class ReplayRequestSerializer(BodySerializer):
    closed = True
    filter = ReplayFilterSerializer(help_text="The events; `{}` for all that the caller may see.")
    speed = serializers.FloatField(
        required=False, min_value=SLOWEST, max_value=FASTEST, help_text="A multiple of the original pace. Default: 1."
    )
    delay_ms = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST_DELAY_MS, help_text="A fixed delay between events."
    )
    at_once = serializers.BooleanField(required=False, help_text="Without any delay.")
    target = ReplayTargetSerializer(required=False, help_text="Default: the stream `replay:<id>`.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        paces = [name for name in ("speed", "delay_ms", "at_once") if data.get(name) not in (None, False)]
        if len(paces) > 1:
            raise serializers.ValidationError({paces[1]: f"Give only one of {' and '.join(paces)}."})
        return data

    def replay_request(self) -> ReplayRequest:
        """Return the request of the validated body."""
        data = self.validated_data
        target = data.get("target", {"type": ReplayTarget.STREAM})
        endpoint, receiver_id = None, target.get("endpoint")
        if target["type"] == ReplayTarget.ENDPOINT and receiver_id is None:
            endpoint = UrlTarget(target["url"], target.get("headers", {}), target.get("secret", ""))
        filled = ReplayFilterSerializer(data["filter"]).data
        shown = {name: value for name, value in filled.items() if name in data["filter"]}
        chosen = dict(data["filter"])
        texts = [chosen.pop("text")] if "text" in chosen else []
        wanted = EventFilter(**chosen, texts=texts)
        return ReplayRequest(wanted, shown, self._pace(data), endpoint, receiver_id)

    def _pace(self, data: dict[str, Any]) -> ReplayPace:
        if data.get("at_once"):
            return ReplayPace(ReplayMode.AT_ONCE)
        if data.get("delay_ms") is not None:
            return ReplayPace(ReplayMode.DELAY, delay_ms=data["delay_ms"])
        return ReplayPace(ReplayMode.SPEED, speed=data.get("speed", 1.0))


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    """A replay and its progress."""  # the serializer context has "snapshots": ReplaySnapshot by id

    stream = serializers.SerializerMethodField(help_text="Null for a replay to an endpoint or URL.")
    state = serializers.SerializerMethodField()
    position = serializers.SerializerMethodField(help_text="The last event that is due, or was delivered.")
    percent = serializers.SerializerMethodField(help_text="`position` of `total`.")
    offset_ms = serializers.SerializerMethodField(help_text="The playhead: milliseconds since the first event.")
    time = serializers.SerializerMethodField(help_text="The time of the playhead; only at the original pace.")
    target = serializers.SerializerMethodField()
    ended_at = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Replay
        fields = [
            "id", "stream", "state", "filter", "mode", "speed", "delay_ms", "target", "total", "position", "percent",
            "offset_ms", "duration_ms", "first_time", "time", "created_at", "created_by", "ended_at", "expires_at",
            "error",
        ]  # fmt: skip
        read_only_fields = fields

    def _snapshot(self, replay: Replay) -> Any:
        return self.context["snapshots"][replay.pk]

    def get_stream(self, replay: Replay) -> str | None:
        return replay.stream if replay.target == ReplayTarget.STREAM else None

    def get_state(self, replay: Replay) -> ReplayStatus:
        return ReplayStatus(self._snapshot(replay).state)

    def get_position(self, replay: Replay) -> int:
        return int(self._snapshot(replay).sequence)

    def get_percent(self, replay: Replay) -> float:
        return round(100 * self.get_position(replay) / replay.total, 1) if replay.total else 100.0

    def get_offset_ms(self, replay: Replay) -> float:
        return round(float(self._snapshot(replay).offset_ms), 1)

    def get_time(self, replay: Replay) -> str | None:
        moment = self._snapshot(replay).time
        return None if moment is None else serializers.DateTimeField().to_representation(moment)

    def get_ended_at(self, replay: Replay) -> datetime | None:
        # A replay to a stream does not store it: its clock gives the time.
        return replay.ended_at or (
            replay.finishes_at if self._snapshot(replay).state is ReplayStatus.COMPLETED else None
        )

    def get_target(self, replay: Replay) -> dict[str, Any]:
        if replay.target == ReplayTarget.STREAM:
            return {"type": replay.target}
        return {
            "type": replay.target,
            "endpoint": replay.receiver_id,
            "url": replay.url,
            "headers": replay.header_names,
            "signed": replay.signed,
            "attempt": replay.attempt,
        }


class SeekSerializer(BodySerializer):
    sequence = serializers.IntegerField(required=False, min_value=0, help_text="The last event that is due afterwards.")
    offset_ms = serializers.FloatField(required=False, min_value=0, help_text="Milliseconds after the first event.")
    time = Moment(required=False, help_text="An original time.")
    paused = serializers.BooleanField(required=False, help_text="Pause or run afterwards. Default: unchanged.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if len(set(data) - {"paused"}) != 1:
            raise serializers.ValidationError("Give one of sequence, offset_ms and time.")
        return data


class SpeedSerializer(BodySerializer):
    speed = serializers.FloatField(min_value=SLOWEST, max_value=FASTEST)


class ReplayListFilterSerializer(QuerySerializer):
    execution = serializers.UUIDField(required=False, help_text="Replays with a filter for this execution.")
    mine = QueryBoolean(default=False, help_text="Only replays that the caller created.")
    unfinished = QueryBoolean(default=False, help_text="Only replays that still have events to show or to send.")
