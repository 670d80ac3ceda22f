"""docs/asyncapi.yaml: what it must be as a document, and that the server speaks as it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from django.test import Client
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT7
from websockets.asyncio.client import ClientConnection, connect

from events.catalogue.asyncapi import EXPORTED, as_yaml
from events.streaming import close_codes, frames
from tests.conftest import Platform
from tests.executing import execute, save
from tests.workflows import TWELVE_NODES

DOCUMENT: dict[str, Any] = yaml.safe_load(as_yaml())
MESSAGES = DOCUMENT["components"]["messages"]
DRAFT7_IN_PLACE = Registry().with_resource("urn:asyncapi", DRAFT7.create_resource(DOCUMENT))

NOT_ASKED_FOR = {"degraded"}
"""Frames of the server that no part of the session below brings about; tests/recovery/test_lost_redis.py does."""


def validator(pointer: str) -> Draft7Validator:
    return Draft7Validator(
        {"$ref": f"urn:asyncapi#{pointer}"}, registry=DRAFT7_IN_PLACE, format_checker=FormatChecker()
    )


FRAMES = {kind: validator(f"/components/messages/{kind}/payload") for kind in MESSAGES}


def sent_by(side: str) -> set[str]:
    return {kind for kind, message in MESSAGES.items() if message["x-sent-by"] == side}


def check(frame: dict[str, Any]) -> None:
    """Raise for a frame that is not as the document says."""
    FRAMES[frame["type"]].validate(frame)


# --- as a document ---------------------------------------------------------------------------------------------------


def fixed(required: list[str], **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties, and extensions, only."""
    other = {"type": "object", "required": required, "properties": properties, "additionalProperties": False}
    return other | {"patternProperties": {"^x-": True}}


def named(values: dict[str, Any]) -> dict[str, Any]:
    keys = {"pattern": r"^[a-zA-Z0-9.\-_]+$"}
    return {"type": "object", "propertyNames": keys, "additionalProperties": values, "minProperties": 1}


TEXT = {"type": "string", "minLength": 1}
REF = {"type": "object", "required": ["$ref"], "properties": {"$ref": TEXT}, "additionalProperties": False}
REFS = {"type": "array", "items": REF, "minItems": 1}
WORDS = {"title": TEXT, "summary": TEXT, "description": TEXT}
SHAPE = fixed(
    ["asyncapi", "info", "servers", "channels", "operations", "components"],
    asyncapi={"const": "3.0.0"},
    info=fixed(["title", "version"], version=TEXT, **WORDS),
    defaultContentType={"const": "application/json"},
    servers=named(
        fixed(
            ["host", "protocol"], host=TEXT, protocol=TEXT, variables=named({"type": "object"}), security=REFS, **WORDS
        )
    ),
    channels=named(
        fixed(["address", "messages"], address=TEXT, messages=named(REF), parameters=named(True), bindings={}, **WORDS)
    ),
    operations=named(
        fixed(
            ["action", "channel", "messages"],
            action={"enum": ["send", "receive"]},
            channel=REF,
            messages=REFS,
            reply=fixed(["channel", "messages"], channel=REF, messages=REFS),
            **WORDS,
        )
    ),
    components=fixed(
        ["messages", "schemas"],
        messages=named(
            fixed(
                ["summary", "payload", "examples", "x-sent-by"],
                payload={"type": "object"},
                examples={"type": "array", "minItems": 1, "items": fixed(["payload"], payload={}, **WORDS)},
                **WORDS,
            )
        ),
        schemas=named({"type": "object"}),
        securitySchemes=named({"type": "object", "required": ["type"]}),
    ),
)
"""The part of AsyncAPI 3.0 that the document uses (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_the_document_is_exported_as_the_code_has_it() -> None:
    assert EXPORTED.read_text() == as_yaml(), "run `manage.py export_asyncapi`"


def test_the_document_has_the_shape_of_asyncapi() -> None:
    Draft7Validator(SHAPE).validate(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    resolver = DRAFT7_IN_PLACE.resolver("urn:asyncapi")
    for reference in set(references(DOCUMENT)):
        assert resolver.lookup(reference).contents, reference


def test_operations_name_messages_of_their_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        for part in (operation, operation.get("reply", operation)):
            begin = part["channel"]["$ref"] + "/messages/"
            assert all(message["$ref"].startswith(begin) for message in part["messages"])
    told = {
        reference.rsplit("/", 1)[1] for reference in references(DOCUMENT["operations"]) if "/messages/" in reference
    }
    assert told == set(MESSAGES)


def test_every_schema_is_one_and_every_example_is_a_frame_of_its_kind_only() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for kind, message in MESSAGES.items():
        Draft7Validator.check_schema(message["payload"])
        for example in message["examples"]:
            fitting = [other for other, frame in FRAMES.items() if frame.is_valid(example["payload"])]
            assert fitting == [kind]


def test_an_event_with_a_field_too_many_is_none() -> None:
    (event,) = MESSAGES["events"]["examples"][0]["payload"]["events"]
    schema = validator("/components/schemas/Event")
    assert schema.is_valid(event)
    assert not schema.is_valid(event | {"data": event["data"] | {"more": 1}})
    assert not schema.is_valid(event | {"more": 1})
    assert not schema.is_valid(event | {"type": "execution.failed"})


def test_the_server_takes_and_refuses_what_the_document_does() -> None:
    for kind in sent_by("client"):
        for example in MESSAGES[kind]["examples"]:
            good = example["payload"]
            frames.parse(json.dumps(good))
            broken = [good | {"more": 1}, {k: v for k, v in good.items() if k != "stream"}, good | {"after": "1"}]
            broken += [good | {"level": "some"}, good | {"types": "execution.*"}, good | {"limit": 0}]
            for frame in broken:
                if not FRAMES[kind].is_valid(frame):
                    with pytest.raises(frames.BadFrame):
                        frames.parse(json.dumps(frame))


def test_the_close_codes_are_told() -> None:
    codes = {code for name, code in vars(close_codes).items() if name.isupper()}
    for channel in DOCUMENT["channels"].values():
        assert {str(code) for code in codes} == set(channel["x-close-codes"])


def test_anyone_may_read_it(client: Client) -> None:
    answer = client.get("/api/asyncapi/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/yaml; charset=utf-8")
    assert yaml.safe_load(answer.content) == DOCUMENT
    assert client.post("/api/asyncapi/").status_code == 405


# --- as the server speaks --------------------------------------------------------------------------------------------


class Session:
    """A connection on which every frame, of either side, is as the document says."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.asked: set[str] = set()
        self.sent: set[str] = set()
        self.event_types: set[str] = set()

    async def ask(self, kind: str, **fields: Any) -> None:
        frame = {"type": kind} | fields
        check(frame)
        self.asked.add(kind)
        await self.socket.send(json.dumps(frame))

    async def until(self, kind: str, stream: str | None = None) -> dict[str, Any]:
        """Return the next frame of this kind and stream."""
        while True:
            frame = await self.next()
            if (frame["type"], frame.get("stream")) == (kind, stream):
                return frame

    async def next(self) -> dict[str, Any]:
        """Return the next frame."""
        frame = json.loads(await self.socket.recv())
        check(frame)
        self.sent.add(frame["type"])
        self.event_types |= {event["type"] for event in frame.get("events", ())}
        return dict(frame)


async def watch_an_execution(session: Session, platform: Platform) -> None:
    workflow = await asyncio.to_thread(save, platform, TWELVE_NODES["nodes"], TWELVE_NODES["edges"])
    stream = f"execution:{await asyncio.to_thread(execute, platform, workflow)}"
    await session.ask("subscribe", stream=stream, after=0)
    await session.until("end", stream)
    await session.ask("subscribe", stream=f"workflow:{workflow}")
    await session.until("live", f"workflow:{workflow}")


async def follow_the_feed(session: Session, platform: Platform) -> None:
    await session.ask("subscribe", stream="executions", after=2**40)
    head = (await session.until("subscribed", "executions"))["head"]
    await session.ask("subscribe", stream="executions", after=max(0, head - 50), level="all", types=["execution.*"])
    await session.until("live", "executions")
    await session.ask("read", stream="executions", after=0, limit=10)
    await session.until("page", "executions")
    await session.ask("unsubscribe", stream="executions")
    await session.until("unsubscribed", "executions")


async def be_refused(session: Session, platform: Platform) -> None:
    stream = f"execution:{uuid4()}"
    await session.ask("subscribe", stream=stream)
    assert (await session.until("error", stream))["code"] == "not_found"
    await session.socket.send('{"type": "nonsense"}')
    assert (await session.until("error"))["code"] == "bad_frame"


async def call(session: Session, platform: Platform) -> None:
    await session.ask("ping")
    await session.until("pong")


async def control_a_replay(session: Session, platform: Platform) -> None:
    body = {"filter": {"types": ["workflow.*"]}, "speed": 0.01}
    made = await asyncio.to_thread(platform.request, "POST", "/api/events/replay/", json=body)
    stream = made.json()["stream"]
    await session.ask("subscribe", stream=stream)
    await session.until("replay", stream)
    changes: dict[str, dict[str, Any]] = {
        "pause": {},
        "speed": {"speed": 2.0},
        "seek": {"sequence": 1, "paused": True},
        "resume": {},
    }
    for kind, fields in changes.items():
        await session.ask(kind, stream=stream, **fields)
        await session.until("replay", stream)


PARTS = [watch_an_execution, follow_the_feed, be_refused, call, control_a_replay]


async def test_every_frame_is_as_the_document_says_and_every_kind_is_seen(platform: Platform) -> None:
    headers = {"Authorization": f"Bearer {platform.token}"}
    async with asyncio.timeout(240), connect(platform.ws_url, additional_headers=headers, max_size=None) as socket:
        session = Session(socket)
        for part in PARTS:
            await part(session, platform)
    assert session.sent | NOT_ASKED_FOR == sent_by("server")
    assert session.asked == sent_by("client")
    assert {"execution.node_completed", "execution.data_flow", "workflow.created"} <= session.event_types


@pytest.mark.parametrize(("path", "code"), [(f"executions/{UUID(int=0)}/", "4404"), ("elsewhere/", "4404")])
async def test_a_close_is_as_the_document_says(platform: Platform, path: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {platform.token}"}
    async with connect(platform.ws_url + path, additional_headers=headers) as socket:
        await asyncio.wait_for(socket.wait_closed(), 240)
        assert str(socket.close_code) == code
        assert code in DOCUMENT["channels"]["execution"]["x-close-codes"]
