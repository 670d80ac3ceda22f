"""Requests to /hooks/: who may call, what is taken, what is kept of each."""

from __future__ import annotations

import base64
import hmac
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests import github_payloads
from tests.conftest import Platform
from tests.hooking import Hook, credential, credential_id

SECRET = "a secret that GitHub has too"


@pytest.fixture(scope="module")
def github(platform: Platform) -> Hook:
    return Hook(platform, auth={"type": "github", "credential": credential(platform, "webhook_secret", secret=SECRET)})


def test_every_kind_of_github_payload_starts_the_workflow_if_it_is_signed_right(github: Hook) -> None:
    def post(case: tuple[str, dict[str, Any]]) -> None:
        event, payload = case
        body, headers = github_payloads.request(event, payload, SECRET, form=event == "watch")
        wrong = github_payloads.request(event, payload, "another secret")[1]
        refused = github.call(body, headers | {"X-Hub-Signature-256": wrong["X-Hub-Signature-256"]})
        assert refused.status_code == 401, event
        assert refused.json()["detail"] == "Authentication failed."
        answer = github.call(body, headers)
        assert answer.status_code == 202, (event, answer.text)
        item = github.item(answer.json()["execution_id"])
        assert item["headers"]["x-github-event"] == event
        assert "x-hub-signature-256" not in item["headers"]
        assert item["body"] == (payload if event != "watch" else item["body"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(post, github_payloads.payloads()))
    kinds = len(github_payloads.PARTICULAR)
    log = github.log()
    assert sum(row["accepted"] for row in log) == kinds
    assert {row["reason"].split(":")[0] for row in log if "not listed individually" not in row["reason"]} <= {
        "", "The signature is wrong",
    }  # fmt: skip


def test_a_message_that_comes_again_is_answered_like_the_first_and_starts_nothing(github: Hook) -> None:
    body, headers = github_payloads.request("ping", {"zen": "…"}, SECRET)
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.json() for answer in pool.map(lambda _: github.call(body, headers), range(8))]
    assert len({answer["execution_id"] for answer in answers}) == 1
    assert sum(answer.get("duplicate", False) for answer in answers) == 7
    rows = [row for row in github.log() if row["message_id"] == headers["X-GitHub-Delivery"]]
    assert len(rows) == 8
    assert {str(row["execution_id"]) for row in rows} == {answers[0]["execution_id"]}
    assert sum(row["reason"].startswith("Duplicate message") for row in rows) == 7
    forged = github.call(body, headers | {"X-Hub-Signature-256": "sha256=00"})
    assert forged.status_code == 401, "Only who proves who they are learns about earlier messages."


def test_accepted_means_stored_and_one_id_leads_from_the_request_to_its_execution(platform: Platform) -> None:
    hook = Hook(platform)
    headers = {"X-Api-Key": "keep me out", "X-Other": "o", "Cookie": "a=b"}
    answer = hook.call(b'{"n": 1}', headers, query="?a=1&a=2&token=abc")
    execution = answer.json()["execution_id"]
    (row,) = hook.log()
    assert (str(row["id"]), str(row["execution_id"]), str(row["workflow_id"])) == (execution, execution, hook.workflow)
    assert (row["accepted"], row["status_code"], row["reason"], row["test"]) == (True, 202, "", False)
    assert (row["body"], row["body_bytes"], row["content_type"]) == ('{"n": 1}', 8, "application/json")
    assert row["query"] == {"a": ["1", "2"], "token": "***"}
    assert (row["headers"]["x-api-key"], row["headers"]["cookie"], row["headers"]["x-other"]) == ("***", "***", "o")
    item = hook.item(execution)
    assert item["query"]["token"] == "abc"
    assert "cookie" not in item["headers"]


def test_a_changed_credential_counts_at_once_and_one_that_is_gone_lets_nobody_in(platform: Platform) -> None:
    name = credential(platform, "bearer", token="first-token")
    hook = Hook(platform, auth={"type": "bearer", "credential": name})

    def status(token: str) -> int:
        return hook.call(headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status("first-token"), status("other")] == [202, 401]
    url = f"/api/credentials/{credential_id(platform, name)}/"
    assert platform.request("PATCH", url, json={"data": {"token": "second-token"}}).status_code == 200
    assert [status("first-token"), status("second-token")] == [401, 202]
    assert platform.request("DELETE", url).status_code == 204
    answer = hook.call(headers={"Authorization": "Bearer second-token"})
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "This webhook cannot authenticate requests at the moment. Try again later.",
    )
    assert name in hook.log()[-1]["reason"]
    assert not any("token" in str(row["headers"].get("authorization")) for row in hook.log())


def test_the_other_credentials_of_a_trigger_are_taken_too_and_their_headers_kept_from_the_workflow(
    platform: Platform,
) -> None:
    old = credential(platform, "header", name="X-Old-Key", value="old-value")
    new = credential(platform, "header", name="X-Key", value="new-value")
    hook = Hook(platform, auth={"type": "header", "credential": new, "also": [old], "id_header": "X-Id"})
    assert hook.call(headers={"X-Key": "new-value"}).status_code == 401
    assert hook.log()[-1]["reason"] == "The header X-Id is missing."
    for headers in ({"X-Key": "new-value", "X-Id": "1"}, {"X-Old-Key": "old-value", "X-Id": "2"}):
        answer = hook.call(headers=headers)
        assert answer.status_code == 202
        assert not {"x-key", "x-old-key"} & set(hook.item(answer.json()["execution_id"])["headers"])
    used = platform.request("GET", f"/api/credentials/{credential_id(platform, old)}/").json()["used_by"]
    assert used == [{"id": hook.workflow, "name": f"Hook {hook.path}"}]


def test_a_trigger_names_a_credential_that_is_there_and_of_the_right_type(platform: Platform) -> None:
    bearer = credential(platform, "bearer", token="a-token-of-ours")
    for auth, field, code in (
        ({"type": "github", "credential": "nowhere"}, "parameters.auth.credential", "unknown_credential"),
        ({"type": "github", "credential": "{{ $json.x }}"}, "parameters.auth.credential", "expression"),
        ({"type": "github", "credential": bearer}, "parameters.auth.credential", "credential_type"),
        ({"type": "bearer", "credential": bearer, "also": ["gone"]}, "parameters.auth.also[0]", "unknown_credential"),
    ):
        hook = {"id": "hook", "name": "Hook", "type": "webhook_trigger", "parameters": {"path": "a-b-c", "auth": auth}}
        answer = platform.request("POST", "/api/workflows/", json={"name": "Bad", "nodes": [hook], "edges": []})
        ((error),) = answer.json()["errors"]
        assert (error["field"], error["code"]) == (field, code)


def test_limits_of_a_trigger_are_kept_and_named(platform: Platform) -> None:
    hook = Hook(platform, max_body_bytes=10, allow_from=["127.0.0.0/8"], methods=["PUT"])
    assert hook.call(b"[1,2,3,4,5,6]", method="PUT").status_code == 413
    assert hook.call(method="PUT").status_code == 202
    refused = hook.call()
    assert (refused.status_code, refused.headers["Allow"]) == (405, "PUT")
    assert hook.call(b"x" * (10 * 1024 * 1024 + 1), method="PUT").status_code == 413
    assert [row["body_bytes"] for row in hook.log()] == [13, 2, 2, 10 * 1024 * 1024 + 1]
    closed = Hook(platform, allow_from=["192.0.2.0/24"])
    forged = closed.call(headers={"X-Forwarded-For": "192.0.2.7"})
    assert (forged.status_code, forged.json()["detail"]) == (403, "Your address is not allowed to call this webhook.")
    assert closed.log()[0]["reason"] == "127.0.0.1 is not in the allowed addresses."


def test_too_many_requests_are_told_when_to_come_again_and_wrong_ones_use_up_nobodys_share(platform: Platform) -> None:
    name = credential(platform, "bearer", token="right-token")
    hook = Hook(platform, auth={"type": "bearer", "credential": name}, requests_per_second=0.01)
    right = {"Authorization": "Bearer right-token"}
    assert [hook.call().status_code for _ in range(3)] == [401, 401, 401]
    assert hook.call(headers=right).status_code == 202
    refused = hook.call(headers=right)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 100
    each = Hook(platform, requests_per_second_and_address=0.01)
    assert [each.call().status_code for _ in range(2)] == [202, 429]
    assert each.log()[-1]["reason"] == "More than 0.01 requests per second from 127.0.0.1."


def test_slacks_check_of_a_url_is_answered_and_starts_nothing(platform: Platform) -> None:
    hook = Hook(platform, auth={"type": "slack", "credential": credential(platform, "webhook_secret", secret=SECRET)})
    body, stamp = b'{"type": "url_verification", "challenge": "abc"}', str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"v0:{stamp}:".encode() + body, "sha256").hexdigest()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
    answer = hook.call(body, headers)
    assert (answer.status_code, answer.json()) == (200, {"challenge": "abc"})
    (row,) = hook.log()
    assert (row["accepted"], row["status_code"], row["execution_id"]) == (True, 200, None)


def test_forms_files_and_bytes_reach_the_workflow(platform: Platform) -> None:
    hook = Hook(platform)
    url = f"{platform.url}/hooks/{hook.path}"
    form = requests.post(url, files={"f": ("a.bin", b"\x00\x01")}, data={"title": "ä"}, timeout=240)
    body = hook.item(form.json()["execution_id"])["body"]
    assert (body["title"], body["f"]["filename"], base64.b64decode(body["f"]["base64"])) == ("ä", "a.bin", b"\x00\x01")
    raw = hook.call(b"\xff\x00", {"Content-Type": "application/octet-stream"})
    assert hook.item(raw.json()["execution_id"])["body"] == {"base64": "/wA=", "size": 2}
    nul = hook.call(rb'{"a": "\u0000"}', query="?%00=%00")
    assert hook.item(nul.json()["execution_id"])["body"] == {"a": "�"}
    assert hook.call(b"{").status_code == 400


@pytest.mark.parametrize("path", ["%00", "a%00b", "%ff", "a" * 500, "test/", "test/%00", "resume/x", "..%2f", "a//b"])
def test_a_path_that_is_none_is_not_found(platform: Platform, path: str) -> None:
    assert requests.post(f"{platform.url}/hooks/{path}", data=b"{}", timeout=240).status_code == 404


def test_the_test_url_shows_what_arrived_on_the_workflows_stream_and_starts_nothing(platform: Platform) -> None:
    secret = credential(platform, "webhook_secret", secret=SECRET)
    hook = Hook(platform, active=False, auth={"type": "github", "credential": secret})
    assert hook.call().status_code == 404
    body, headers = github_payloads.request("ping", {"zen": "calm"}, SECRET)
    answer = hook.call(body, headers, test=True, query="?q=1")
    assert answer.status_code == 200
    assert hook.call(body, headers | {"X-Hub-Signature-256": "sha256=00"}, test=True).status_code == 401
    rows = [row for row in hook.log() if row["test"]]
    assert [(row["test"], row["accepted"], row["execution_id"]) for row in rows] == [
        (True, True, None),
        (True, False, None),
    ]
    url = f"/api/events/?workflow={hook.workflow}&type=workflow.hook_tested"
    found = platform.request("GET", url).json()["events"]
    told = sorted((event["data"] for event in found), key=lambda data: str(data["request"]))
    assert [data["request"] for data in told] == [str(row["id"]) for row in rows]
    assert told[0]["preview"] == {"query": {"q": "1"}, "body": {"zen": "calm"}}
    assert (told[1]["accepted"], told[1]["reason"][:22]) == (False, "The signature is wrong")
    assert platform.request("GET", f"/api/executions/?workflow={hook.workflow}").json()["results"] == []
    page = f"/workflows/{hook.workflow}/hook-requests/"
    answer = platform.request("GET", page, allow_redirects=False)
    assert answer.status_code == 302, "Pages are for people who have logged in."


def test_a_test_url_leads_to_who_has_the_path_and_with_an_id_to_that_workflow(platform: Platform) -> None:
    first = Hook(platform, active=False)
    second = Hook.__new__(Hook)
    second.platform, second.path, second.parameters = platform, first.path, {}
    answer = platform.request("POST", "/api/workflows/", json=second.definition())
    second.workflow = answer.json()["id"]
    assert first.call(test=True).status_code == 200
    assert requests.post(f"{platform.url}/hooks/test/{second.workflow}/{first.path}", timeout=240).status_code == 200
    assert requests.post(f"{platform.url}/hooks/test/{uuid4()}/{first.path}", timeout=240).status_code == 404
    assert [str(row["workflow_id"]) for row in first.log()] == [first.workflow]


def test_a_flood_to_a_test_url_makes_few_events(platform: Platform) -> None:
    hook = Hook(platform, active=False)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: hook.call(test=True).status_code, range(80)))
    took = time.monotonic() - began
    assert 20 <= statuses.count(200) <= 20 + 2 * took + 1
    assert statuses.count(200) + statuses.count(429) == 80
