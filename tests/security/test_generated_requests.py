"""Thousands of requests made of the OpenAPI schema, right and wrong ones: each answer is one that the schema describes.

All checks of schemathesis are on. The generation is deterministic. What the schema cannot express is listed in
EXCEPTIONS, case by case, with the reason.
"""

from __future__ import annotations

import json
import os
import re
from enum import Enum
from itertools import pairwise
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import StopReason, events, from_schema
from schemathesis.transport.wsgi import WSGITransport

from tests.engine import COMMITS
from tests.security.routes import OF_PATHS
from tests.security.worlds import World, make_world

DJANGO = get_wsgi_application()
REJECTED = "positive_data_acceptance"
EXCEPTIONS: list[tuple[str, str, str]] = [
    ("", "cursor|after", "A cursor is opaque: only an earlier answer has one."),
    ("", "(filter.)?(type|types|event_types?|source|sources)(.N)?", "Must fit event types or sources that exist."),
    ("", "(target.)?(url)", "Must lead to a public address, under a scheme and a port that are allowed."),
    ("", "(target.)?headers(..*)?", "Names and values of headers: what HTTP allows, and not the platform's own."),
    ("", "(target.)?secret", "Base64 of a certain length after a prefix."),
    ("", "(filter.)?(since|until|bucket)", "`until` is after `since`, and a bucket fits the time between them."),
    ("", "nodes|edges|settings|active", "A graph is checked node by node: types, parameters, edges, expressions."),
    ("", "filter|transform", "JavaScript that parses; a filter of operations names something."),
    ("", "(retry|retry_policy).*|preset", "Fields of the preset `custom`: either a curve or delays."),
    ("", "(auth|authentication).*", "The fields depend on `type`."),
    ("(POST|PATCH) /api/credentials/", "data.*|allowed_hosts.*", "The fields depend on `type`; hosts are names."),
    ("POST /api/webhooks/deliveries/", "body", "At most 1 MiB as it is sent."),
    (".* /api/webhooks/endpoints/", "workflow", "A workflow of the workspace."),
    ("POST /api/events/replay/", "target|(target.)?endpoint|speed|delay_ms|at_once", "One pace, and one target."),
    ("POST /api/events/replays/.*/seek/", "|sequence|offset_ms|time", "Exactly one place, within the replay."),
    ("POST /api/executions/rerun/", "|from", "At least one filter; a node only within one workflow."),
    ("POST /api/executions/{id}/rerun/", "from|input|version", "A node that the execution has and that ran."),
    ("POST /api/schedules/preview/", "cron|interval_seconds|timezone|", "Either a cron rule or an interval."),
    ("POST /api/tokens/", "expires_at", "In the future."),
    ("POST /api/webhooks/operations/", "|kind|filter.*|workspace", "Each kind takes other fields of the filter."),
    ("(PUT|PATCH) /api/workflows/{id}/", "base_version", "The same version as in If-Match."),
    ("GET /api/trace/", "execution", "Exactly one of the parameters."),
    ("GET /api/executions/{id}/events/", "before", "Either `after` or `before`."),
    (
        "(POST|PATCH) /api/workspaces/{workspace_id}/members/",
        "username|role",
        "The name of a user who is no member yet; a role.",
    ),
]
"""Operation and fields (`.N` for an index) of requests that the schema allows and the API refuses, with the reason."""


class Wanted(Enum):
    """Which operations get requests."""

    ALL = "all"
    OPEN = "those that need no login"
    CLOSED = "those that need a login: without one no value is looked at, so that not each of its limits is tried"


def is_open(operation: Any) -> bool:
    """Return whether an operation needs no login."""
    return not operation.definition.raw.get("security")


def is_explained(label: str, body: bytes) -> bool:
    """Return whether an answer refuses only fields that EXCEPTIONS lists for the operation."""
    fields = {re.sub(r"\.\d+", ".N", error["field"]) for error in json.loads(body).get("errors", ())}
    found = [field for operation, field, _ in EXCEPTIONS if re.match(operation, label)]
    return bool(fields) and all(any(re.fullmatch(each, field) for each in found) for field in fields)


def application(environ: Any, start_response: Any) -> list[bytes]:
    """Answer a request and end it in the thread that sent it: its connection goes back to the pool."""
    answer: Any = DJANGO(environ, start_response)
    try:
        return [b"".join(answer)]
    finally:
        answer.close()


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is meant for sockets. Schemathesis 4.32 passes it on when a check sends a request again."""
    send = WSGITransport.send

    def send_in_process(self: WSGITransport, case: Any, **kwargs: Any) -> Any:
        for name in ("max_redirects", "verify", "cert", "proxies"):
            kwargs.pop(name, None)
        return send(self, case, **kwargs)

    monkeypatch.setattr(WSGITransport, "send", send_in_process)


def failures(world: World, token: str, examples: int, modes: str, *, wanted: Wanted = Wanted.ALL) -> list[str]:
    """Send the requests. Returns what is wrong with their answers, with a command that shows it."""
    config = SchemathesisConfig.from_dict({
        "seed": 13,
        "cache": {"enabled": False},  # a run does not depend on what an earlier one has left in the folder
        # Schemathesis does not unpack the answers of an application that it calls in its process.
        "headers": {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        "generation": {
            "deterministic": True,
            "mode": modes,
            "max-examples": examples,
            "no-shrink": True,
            "allow-x00": False,  # refused everywhere, which a schema says of no string; test_odd_input sends it
        },
        # The same idempotency key with another body is 422; generated keys are mostly one and the same. A version that
        # a change is based on is mostly not the latest: 412.
        "checks": {REJECTED: {"expected-statuses": ["2xx", 401, 403, 404, 409, 412, 422, 429]}},
        "phases": {
            "examples": {"enabled": False},
            "stateful": {"enabled": False},
            "coverage": {"enabled": wanted is not Wanted.CLOSED},
        },
        "continue-on-failure": True,
    })  # fmt: skip
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application, config=config)
    schema = schema.include(
        lambda context: wanted is Wanted.ALL or is_open(context.operation) == (wanted is Wanted.OPEN),
        path_regex=os.environ.get("ONLY", ""),
    )

    @schema.hook
    def map_case(context: Any, case: Any) -> Any:
        if case.meta.generation.mode.is_positive and case.path_parameters and case.method != "DELETE":
            for kind, placeholder in pairwise(case.path.split("/")):
                if placeholder.startswith("{"):
                    case.path_parameters[placeholder[1:-1]] = world.ids[OF_PATHS[kind]]
        if isinstance(case.body, dict) and isinstance(case.body.get("wait"), int | float):
            case.body["wait"] = min(case.body["wait"], 0)  # nothing here runs what is started
        return case

    @schema.hook
    def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
        refused = type(failure).__name__ == "RejectedPositiveData" and response.status_code == 400
        return not (refused and is_explained(case.operation.label, response.content))

    found: dict[str, str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError | events.NonFatalError):
            found[f"{getattr(event, 'label', '')}: {type(event).__name__}"] = str(event)
        if isinstance(event, events.ScenarioFinished):
            found |= _failed(event)
        if isinstance(event, events.EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED
    return [f"{name}\n{shown}" for name, shown in found.items()]


def _failed(event: events.ScenarioFinished) -> dict[str, str]:
    recorder, found = event.recorder, {}
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                answer = recorder.interactions[case].response
                shown = f"{check.failure_info.code_sample[:800]}\n-> {answer and answer.content[:600]!r}"
                found[f"{recorder.label}: {check.failure_info.failure.title}"] = (
                    f"{check.failure_info.failure.message}\n{shown}"
                )
    return found


@COMMITS
@pytest.mark.timeout(1800)  # about 90 s where nothing else runs
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_member_gets_only_answers_that_the_schema_describes() -> None:
    world = make_world("ours")
    found = failures(world, world.tokens["admin"], examples=5, modes="all")
    assert not found, "\n\n".join(found)


@COMMITS
def test_nobody_gets_only_answers_that_the_schema_describes() -> None:
    world = make_world("ours")
    found = failures(world, "", examples=3, modes="positive", wanted=Wanted.OPEN)
    found += failures(world, "", examples=3, modes="positive", wanted=Wanted.CLOSED)
    assert not found, "\n\n".join(found)
