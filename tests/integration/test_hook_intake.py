"""The intake of requests to /hooks/, in this process: what one request does to the others of its moment."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import orjson
import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.db import OperationalError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executions import credentials, lifecycle
from executions.models import Execution, Workflow
from executions.triggers.hooks import intake
from executions.workflows import definitions
from tests.engine import COMMITS, make_workflow
from tests.workflows import edge, node
from webhooks.inbound import deduplication, request_log
from webhooks.models import InboundRequest, SeenMessage
from workflow_platform.core.accounts.models import Membership, Role, User
from workflow_platform.core.identifiers import uuid7
from workflow_platform.installation.embedded import wait_until
from workflow_platform.serving.hook_handler import HookHandler

pytestmark = COMMITS
handler = HookHandler()
SECRET = "a secret that GitHub has too"


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Start each test with an intake without history."""
    with intake._intake.replaced():
        yield
    connection.close()


def hook(path: str, settings: dict[str, Any] | None = None, /, **parameters: Any) -> Workflow:
    nodes = [node("hook", "webhook_trigger", path=path, **parameters), node("end", "no_op")]
    workflow = make_workflow(nodes, [edge("hook", "end")], **(settings or {}))
    definitions.set_active(workflow, True, None)
    return workflow


async def post(
    path: str,
    body: bytes = b"{}",
    client: str = "198.51.100.9",
    method: str = "POST",
    query: bytes = b"",
    content_type: str = "application/json",
    **headers: str,
) -> tuple[int, Any]:
    """Send a request through the handler of /hooks/, as the web process does. Returns status and answer."""
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": f"/hooks/{path}", "query_string": query,
        "headers": [(b"host", b"localhost"), (b"content-type", content_type.encode("latin-1")), *named],
        "client": (client, 1),
    }  # fmt: skip
    server = ApplicationCommunicator(handler, scope)
    await server.send_input({"type": "http.request", "body": body})
    start, end = await server.receive_output(20), await server.receive_output(20)
    return start["status"], orjson.loads(end["body"] or b"null")


def post_all(*requests: dict[str, Any]) -> list[tuple[int, Any]]:
    """Send requests at the same time."""

    async def send() -> list[tuple[int, Any]]:
        return list(await asyncio.gather(*(post(**request) for request in requests)))

    return async_to_sync(send)()


def test_a_request_that_cannot_be_stored_leaves_those_of_its_moment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    hook("fine")
    create = lifecycle.create_executions

    def fails_for_one(wanted: Any) -> Any:
        if any(new.input[0]["body"] == "poison" for new in wanted):
            raise ValueError("a bug that one body brings about")
        return create(wanted)

    monkeypatch.setattr(lifecycle, "create_executions", fails_for_one)
    answers = post_all(*({"path": "fine", "body": body} for body in [b"1", b'"poison"', b"2", b"3"]))
    assert [status for status, _ in answers] == [202, 500, 202, 202]
    assert InboundRequest.objects.filter(accepted=True).count() == Execution.objects.count() == 3


def test_more_than_memory_holds_is_sent_away_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = hook("fine")
    monkeypatch.setattr(intake, "MAX_WAITING_BYTES", 1000)
    monkeypatch.setattr(request_log, "SUMMARY_AFTER_SECONDS", 0.05)
    large = {"path": "fine", "body": b'"' + b"x" * 600 + b'"', "x-token": "secret"}
    answers = post_all(large, large, large, {"path": "fine"})
    assert [status for status, _ in answers] == [202, 503, 503, 202]
    assert post_all(large)[0][0] == 202
    wait_until(lambda: InboundRequest.objects.filter(accepted=False).exists(), "The row of those sent away")
    row = InboundRequest.objects.get(accepted=False)
    assert row.status_code == 503
    summary = "2 rejected requests from 198.51.100.9 are not listed individually. The last one: Too many"
    assert row.reason.startswith(summary)
    assert (row.workflow_id, row.body, row.body_bytes) == (workflow.pk, "", 602)
    assert set(row.headers) == {"content-type"}


def test_the_log_says_what_those_who_waited_were_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    hook("waits", respond="on_completion")

    async def answers_at_once(execution_id: UUID, seconds: float, until_response: bool) -> dict[str, Any]:
        return {"status": "failed", "response": None, "items": []}

    monkeypatch.setattr("executions.waits.responses.wait_for", answers_at_once)
    ((status, _),) = post_all({"path": "waits"})
    assert status == 500
    wait_until(lambda: InboundRequest.objects.get().status_code == 500, "The answer in the log")


def test_what_came_to_test_urls_is_shown_to_members_alone() -> None:
    workflow = hook("fine")
    assert post_all({"path": "test/fine", "body": b'{"n": 1}'})[0][0] == 200
    viewer, stranger = (User.objects.create_user(name) for name in ("viewer", "stranger"))
    Membership.objects.create(user=viewer, workspace=workflow.workspace, role=Role.VIEWER)
    url = f"/workflows/{workflow.pk}/hook-requests/"
    seen, unseen = Client(), Client()
    seen.force_login(viewer)
    unseen.force_login(stranger)
    ((request),) = seen.get(url).json()["requests"]
    assert (request["item"]["body"], request["whole"]) == ({"n": 1}, True)
    assert unseen.get(url).status_code == 404


def test_without_the_database_the_caller_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = hook("fine")

    def is_away(rows: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(request_log, "write", is_away)
        ((status, answer),) = post_all({"path": "fine"})
    assert (status, answer["detail"]) == (
        503,
        "The request was not stored: the database is not available. Send it again.",
    )
    assert Execution.objects.count() == 0, "What was not answered with 202 is not stored either."
    monkeypatch.setattr(request_log, "SUMMARY_AFTER_SECONDS", 0.05)
    assert post_all({"path": "fine"})[0][0] == 202
    wait_until(lambda: InboundRequest.objects.filter(accepted=False).exists(), "The row of the one that was not stored")
    row = InboundRequest.objects.get(accepted=False)
    assert (row.workflow_id, row.status_code) == (workflow.pk, 503)
    assert row.reason == "The request was not stored: the database is not available. Send it again."


def test_two_processes_that_take_the_same_message_start_one_execution() -> None:
    first, second = uuid7(), uuid7()
    message = ("fine", "msg_1")

    def other_process() -> dict[Any, UUID]:
        try:
            with transaction.atomic():
                return deduplication.claim({message: second})
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert deduplication.claim({message: first}) == {message: first}
            claimed = pool.submit(other_process)
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: _one(waiting) == 1, "The other process waits")
        assert claimed.result(60) == {message: first}
    assert SeenMessage.objects.count() == 1


def _one(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_a_message_that_started_nothing_may_come_again() -> None:
    workspace = make_workflow([node("hook", "webhook_trigger", path="other")], []).workspace
    credentials.create(workspace=workspace, by=None, type_="webhook_secret", data={"secret": SECRET}, name="github")
    concurrency = {"limit": 1, "key": "{{ $json.body.deep.key }}"}
    hook("fine", {"concurrency": concurrency}, auth={"type": "github", "credential": "github"})

    def signed(body: bytes) -> dict[str, Any]:
        signature = "sha256=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        return {"path": "fine", "body": body, "x_hub_signature_256": signature, "x_github_delivery": "delivery-1"}

    assert post_all(signed(b"{}"), signed(b"{}")) == [(409, ANY), (409, ANY)]
    assert SeenMessage.objects.count() == 0
    assert InboundRequest.objects.filter(reason__startswith="settings.concurrency.key").count() == 2
    (first, again), (third,) = post_all(*[signed(b'{"deep": {"key": 1}}')] * 2), post_all(signed(b"{}"))
    assert [status for status, _ in (first, again, third)] == [202, 202, 202]
    assert len({answer["execution_id"] for _, answer in (first, again, third)}) == 1


def test_a_message_to_a_path_is_none_to_who_had_the_path_before() -> None:
    first = hook("fine", auth={"type": "bearer", "credential": token(), "id_header": "X-Id"})
    sent = {"path": "fine", "authorization": "Bearer a-token", "x_id": "1"}
    ((_, before),) = post_all(sent)
    definitions.set_active(first, False, None)
    hook("fine", auth={"type": "bearer", "credential": token(), "id_header": "X-Id"})
    ((_, after),) = post_all(sent)
    assert after["execution_id"] != before["execution_id"]
    assert "duplicate" not in after


def token() -> str:
    workspace = make_workflow([node("start", "manual_trigger")], []).workspace
    name = f"token {uuid7()}"
    return credentials.create(workspace=workspace, by=None, type_="bearer", data={"token": "a-token"}, name=name).name


def test_the_address_behind_a_trusted_proxy_is_who_may_call(settings: Any) -> None:
    hook("few", allow_from=["203.0.113.0/24"])
    through = {"path": "few", "client": "10.0.0.1", "x_forwarded_for": "203.0.113.9"}
    assert post_all(through)[0][0] == 403
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert post_all(through)[0][0] == 202
    made_up = through | {"x_forwarded_for": "203.0.113.9, 198.51.100.7"}
    assert post_all(made_up)[0][0] == 403
    addresses = InboundRequest.objects.order_by("id").values_list("address", flat=True)
    assert list(addresses) == ["10.0.0.1", "203.0.113.9", "198.51.100.7"]


def test_refusals_that_were_left_out_are_told_though_nothing_more_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "SUMMARY_AFTER_SECONDS", 0.5)
    post_all(*({"path": f"nowhere-{n}"} for n in range(60)))
    told = InboundRequest.objects.filter(reason__contains="not listed individually")
    wait_until(told.exists, "The row that tells")
    rows = InboundRequest.objects.count()
    assert rows < 40
    assert sum(int(row.reason.split()[0]) for row in told) + rows - told.count() == 60
    assert not InboundRequest.objects.filter(workspace__isnull=False).exists(), "Only staff see what belongs to nobody."


def test_the_operators_limit_holds_for_every_trigger(settings: Any) -> None:
    settings.HOOK_REQUESTS_PER_SECOND_AND_ADDRESS = 0.5
    hook("fine", requests_per_second_and_address=1000)
    statuses = [status for status, _ in post_all(*({"path": "fine"} for _ in range(3)))]
    assert sorted(statuses) == [202, 429, 429]
    assert post_all({"path": "fine", "client": "198.51.100.10"})[0][0] == 202


def test_parameters_that_are_not_valid_let_nobody_in() -> None:
    workflow = hook("fine")
    version = workflow.latest_version
    assert version is not None
    nodes = version.nodes
    nodes[0]["parameters"]["auth"] = {"type": "a scheme of a package that was removed"}
    with connection.cursor() as cursor:  # no other way leads there: versions do not change
        cursor.execute(
            "UPDATE executions_workflowversion SET nodes = %s WHERE id = %s", [orjson.dumps(nodes).decode(), version.pk]
        )
    assert post_all({"path": "fine"})[0][0] == 503
    assert InboundRequest.objects.get().reason.startswith("The trigger's parameters are invalid. auth")


TEXTS = st.text(st.characters(max_codepoint=255), max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(["x-hub-signature-256", "x-github-delivery", "x-forwarded-for", "authorization", "x-a", "cookie"]),
    TEXTS,
)
KINDS = st.sampled_from(
    [
        "application/json",
        "text/plain; charset=utf-16",
        "multipart/form-data; boundary=b",
        "x",
        "",
        "image/png",
        "a/b; c",
    ]
)

PATHS = st.sampled_from(
    ["anyone", "signed", "test/anyone", "test/signed", "anyone/", "a\x00", "test/\x00", "nobody", "test/nobody"]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            PATHS,
            st.sampled_from(["POST", "GET", "PURGE", "HEAD"]), st.binary(max_size=40), HEADERS, KINDS,
            st.one_of(st.binary(max_size=60), st.sampled_from([b'"\\u0000"', b"[" * 300, b'{"type":"ping"}'])),
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_nothing_that_comes_is_an_error_of_ours(
    requests: list[tuple[str, str, bytes, dict[str, str], str, bytes]],
) -> None:
    if not Workflow.objects.exists():
        hook("anyone", methods=["POST", "GET", "HEAD"])
        workspace = Workflow.objects.get().workspace
        credentials.create(workspace=workspace, by=None, type_="webhook_secret", data={"secret": SECRET}, name="github")
        hook("signed", auth={"type": "github", "credential": "github"})
    answers = post_all(
        *(
            {"path": path, "method": method, "query": query, "body": body, "content_type": kind}
            | {name.replace("-", "_"): value for name, value in headers.items()}
            for path, method, query, headers, kind, body in requests
        )
    )
    assert all(status < 500 for status, _ in answers)
    accepted = InboundRequest.objects.filter(status_code=202)
    assert (
        accepted.count() == Execution.objects.count() + accepted.filter(reason__startswith="Duplicate message").count()
    )


def test_the_intake_gives_its_connection_back_when_no_request_waits() -> None:
    def in_use() -> int:
        stats = connection.pool.get_stats()  # type: ignore[attr-defined]
        return int(stats["pool_size"] - stats["pool_available"])

    hook("idle")
    before = in_use()
    assert [status for status, _ in post_all({"path": "idle"})] == [202]
    wait_until(lambda: in_use() <= before, "The connection of the intake")
