"""What the replays' API takes in and gives out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from events.api.query_fields import checked_types
from events.history.event_filter import BadPattern, EventFilter, matching_sources
from events.replay.control import FASTEST, SLOWEST
from events.replay.creation import Pace, Wanted
from events.replay.models import Mode, Replay, State, Target
from events.replay.sending import Endpoint, key_of
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
    types = serializers.ListField(child=_Text(), required=False, max_length=50, help_text="Patterns: `execution.*`.")
    sources = serializers.ListField(child=_Text(), required=False, max_length=50, help_text="Patterns.")
    workflow = serializers.UUIDField(required=False)
    execution = serializers.UUIDField(required=False)
    streams = serializers.ListField(child=_Text(max_length=80), required=False, max_length=100, help_text="Names.")
    since = Moment(required=False, help_text="Of the event's time: then or later.")
    until = Moment(required=False, help_text="Earlier.")
    text = serializers.CharField(required=False, max_length=200, help_text="Somewhere in the event's data.")

    def validate_types(self, value: list[str]) -> list[str]:
        """Refuse patterns that no type fits."""
        return checked_types(value)

    def validate_sources(self, value: list[str]) -> list[str]:
        """Refuse what cannot be a pattern of sources."""
        try:
            matching_sources(value)
        except BadPattern as error:
            raise serializers.ValidationError(str(error)) from None
        return value


class ReplayTargetSerializer(BodySerializer):
    closed = True
    type = serializers.ChoiceField(choices=Target.choices)
    endpoint = serializers.UUIDField(
        required=False,
        help_text="The id of an endpoint: it is handed each event when it is due, and delivers it as it does others.",
    )
    url = serializers.CharField(required=False, max_length=2_000, help_text="Instead: any URL.")
    headers = serializers.DictField(
        child=serializers.CharField(max_length=LONGEST_HEADER, allow_blank=True), required=False, write_only=True
    )
    secret = serializers.CharField(
        required=False,
        min_length=8,
        max_length=200,
        write_only=True,
        help_text="Signs each request as Standard Webhooks do; after `whsec_` it is Base64.",
    )

    def validate_url(self, value: str) -> str:
        """Refuse what may not be called."""
        try:
            outbound.check_url(value)
        except (OutboundRefused, OutboundFailed) as error:
            raise serializers.ValidationError(str(error)) from None
        return value

    def validate_headers(self, value: dict[str, str]) -> dict[str, str]:
        """Refuse what is ours to say, and what HTTP does not allow."""
        if len(value) > MOST_HEADERS:
            raise serializers.ValidationError(f"At most {MOST_HEADERS} headers are sent.")
        for name, said in value.items():
            if name.lower() in OUR_HEADERS or name.lower().startswith("webhook-"):
                raise serializers.ValidationError(f"{name} is set by the platform.")
            if not outbound_header(name, said):
                raise serializers.ValidationError(f"{name[:60]!r} is no header that can be sent.")
        return value

    def validate_secret(self, value: str) -> str:
        """Refuse what says that it is Base64 and is not."""
        try:
            key_of(value)
        except ValueError:
            raise serializers.ValidationError("After whsec_ there must be Base64.") from None
        return value

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        to_endpoint = data["type"] == Target.ENDPOINT
        by_id = "endpoint" in data
        if to_endpoint and not by_id and not data.get("url"):
            raise serializers.ValidationError({"url": "An endpoint needs its id in `endpoint`, or a URL."})
        for name in ("url", "headers", "secret"):
            if by_id and name in data:
                raise serializers.ValidationError({name: "An endpoint that is named by its id has its own."})
        for name in ("endpoint", "url", "headers", "secret"):
            if not to_endpoint and name in data:
                raise serializers.ValidationError({name: "Only an endpoint has one."})
        return data


def outbound_header(name: str, value: str) -> bool:
    """Tell whether HTTP allows a header: a token, and a value of visible characters."""
    token = name.isascii() and name and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
    return bool(token) and len(name) <= 100 and all(c == "\t" or " " <= c <= "~" for c in value)


class ReplayRequestSerializer(BodySerializer):
    closed = True
    filter = ReplayFilterSerializer(help_text="Which events; `{}` for all that the caller may see.")
    speed = serializers.FloatField(
        required=False, min_value=SLOWEST, max_value=FASTEST, help_text="The original pace, times this (default: 1)."
    )
    delay_ms = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST_DELAY_MS, help_text="The same delay between all events."
    )
    at_once = serializers.BooleanField(required=False, help_text="No delay at all.")
    target = ReplayTargetSerializer(required=False, help_text="By default the stream `replay:<id>`.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in ("speed", "delay_ms", "at_once") if data.get(name) not in (None, False)]
        if len(given) > 1:
            raise serializers.ValidationError({given[1]: f"Give one of {' and '.join(given)}."})
        return data

    def wanted(self) -> Wanted:
        """Return what the body asks for."""
        data = self.validated_data
        target = data.get("target", {"type": Target.STREAM})
        endpoint, receiver_id = None, target.get("endpoint")
        if target["type"] == Target.ENDPOINT and receiver_id is None:
            endpoint = Endpoint(target["url"], target.get("headers", {}), target.get("secret", ""))
        filled = ReplayFilterSerializer(data["filter"]).data
        shown = {name: value for name, value in filled.items() if name in data["filter"]}
        return Wanted(EventFilter(**data["filter"]), shown, self._pace(data), endpoint, receiver_id)

    def _pace(self, data: dict[str, Any]) -> Pace:
        if data.get("at_once"):
            return Pace(Mode.AT_ONCE)
        if data.get("delay_ms") is not None:
            return Pace(Mode.DELAY, delay_ms=data["delay_ms"])
        return Pace(Mode.SPEED, speed=data.get("speed", 1.0))


class ShownTargetSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=Target.choices)
    endpoint = serializers.UUIDField(allow_null=True, help_text="Its id; null for any other URL.")
    url = serializers.CharField(help_text="Without its query, which may hold a secret.")
    headers = serializers.ListField(child=serializers.CharField(), help_text="Their names.")
    signed = serializers.BooleanField()
    attempt = serializers.IntegerField(help_text="Failed attempts to deliver the next event.")


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    """Where a replay stands; `context["standings"]` has what `reading.standing` says of each."""

    stream = serializers.SerializerMethodField(help_text="None for a replay to an endpoint.")
    state = serializers.SerializerMethodField()
    position = serializers.SerializerMethodField(help_text="The last event that is due, or was delivered.")
    percent = serializers.SerializerMethodField(help_text="`position` of `total`.")
    offset_ms = serializers.SerializerMethodField(help_text="The playhead, since the first event.")
    time = serializers.SerializerMethodField(help_text="What the clock showed then, at the original pace.")
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

    def _standing(self, replay: Replay) -> Any:
        return self.context["standings"][replay.pk]

    def get_stream(self, replay: Replay) -> str | None:
        return replay.stream if replay.target == Target.STREAM else None

    def get_state(self, replay: Replay) -> State:
        return State(self._standing(replay).state)

    def get_position(self, replay: Replay) -> int:
        return int(self._standing(replay).sequence)

    def get_percent(self, replay: Replay) -> float:
        return round(100 * self.get_position(replay) / replay.total, 1) if replay.total else 100.0

    def get_offset_ms(self, replay: Replay) -> float:
        return round(float(self._standing(replay).offset_ms), 1)

    def get_time(self, replay: Replay) -> str | None:
        moment = self._standing(replay).time
        return None if moment is None else serializers.DateTimeField().to_representation(moment)

    def get_ended_at(self, replay: Replay) -> datetime | None:
        # Of one to a stream, nobody notes it: its clock says when that was.
        return replay.ended_at or (replay.finishes_at if self._standing(replay).state is State.COMPLETED else None)

    def get_target(self, replay: Replay) -> dict[str, Any]:
        if replay.target == Target.STREAM:
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
    sequence = serializers.IntegerField(required=False, min_value=0, help_text="Everything up to it is due.")
    offset_ms = serializers.FloatField(required=False, min_value=0, help_text="So long after the first event.")
    time = Moment(required=False, help_text="To the original time.")
    paused = serializers.BooleanField(
        required=False, help_text="And stand still there, or go on; by default as before."
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if len(set(data) - {"paused"}) != 1:
            raise serializers.ValidationError("Give one of sequence, offset_ms and time.")
        return data


class SpeedSerializer(BodySerializer):
    speed = serializers.FloatField(min_value=SLOWEST, max_value=FASTEST)


class ReplayListFilterSerializer(QuerySerializer):
    execution = serializers.UUIDField(required=False, help_text="Whose filter names this execution.")
    mine = QueryBoolean(default=False, help_text="Only those of the caller.")
