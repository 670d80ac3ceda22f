"""Payloads as GitHub sends them, one of each kind, made up here: their shapes, sizes and oddities, nobody's data."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

API, WEB = "https://api.github.com", "https://github.com"
WHEN = "2026-11-24T09:30:00Z"


def user(login: str = "ada", id: int = 101, type: str = "User") -> dict[str, Any]:
    links = ("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events")
    return {
        "login": login, "id": id, "node_id": f"U_{id:010}", "avatar_url": f"{WEB}/{login}.png", "gravatar_id": "",
        "url": f"{API}/users/{login}", "html_url": f"{WEB}/{login}", "type": type, "site_admin": False,
    } | {f"{link}_url": f"{API}/users/{login}/{link}{{/privacy}}" for link in links}  # fmt: skip


def repository() -> dict[str, Any]:
    base = f"{API}/repos/engines/analytical"
    links = ("forks", "keys", "hooks", "branches", "tags", "commits", "issues", "pulls", "labels", "releases", "merges")
    return {
        "id": 5_000_000_001, "node_id": "R_kgDO", "name": "analytical", "full_name": "engines/analytical",
        "private": False, "owner": user("engines", 9, "Organization"), "description": "Motor für Zahlen – 解析 🤖",
        "fork": False, "url": base, "default_branch": "main", "stargazers_count": 2**31, "license": None,
        "topics": ["mathematics", "history"], "created_at": 1_700_000_000, "pushed_at": WHEN,
    } | {f"{link}_url": f"{base}/{link}{{/id}}" for link in links}  # fmt: skip


def issue(number: int = 7) -> dict[str, Any]:
    return {
        "id": 900 + number, "number": number, "title": "Overflow in note G", "user": user("grace", 102),
        "labels": [label()], "state": "open", "locked": False, "assignee": None, "assignees": [],
        "milestone": milestone(), "comments": 3, "created_at": WHEN, "closed_at": None,
        "body": "Steps:\r\n\r\n1. …\n" * 40, "reactions": {"+1": 1, "-1": 0, "total_count": 1},
    }  # fmt: skip


def label() -> dict[str, Any]:
    return {"id": 1, "name": "bug", "color": "d73a4a", "default": True, "description": None}


def milestone() -> dict[str, Any]:
    return {"id": 2, "number": 1, "title": "v1.0", "open_issues": 4, "due_on": None, "state": "open"}


def commit(n: int) -> dict[str, Any]:
    author = {"name": "Ada", "email": "ada@example.com", "username": "ada"}
    return {
        "id": hashlib.sha1(str(n).encode()).hexdigest(), "tree_id": hashlib.sha1(b"tree").hexdigest(), "distinct": True,
        "message": f"Change {n}\n\nWith \"quotes\", a tab\t and \\u0000 in it.", "timestamp": WHEN, "author": author,
        "committer": author, "added": [f"src/{n}.py"], "removed": [], "modified": ["README.md"],
    }  # fmt: skip


def pull_request() -> dict[str, Any]:
    end = {"label": "engines:main", "ref": "main", "sha": commit(1)["id"], "user": user(), "repo": repository()}
    return issue(8) | {"draft": False, "merged": False, "mergeable": None, "head": end, "base": end, "additions": 10}


def check(kind: str) -> dict[str, Any]:
    return {
        "id": 4, "name": "tests", "head_sha": commit(2)["id"], "status": "completed", "conclusion": "failure",
        "started_at": WHEN, "completed_at": WHEN, "output": {"title": None, "summary": None, "annotations_count": 0},
        "app": {"id": 1, "slug": "ci", "permissions": {"checks": "write"}, "events": [kind]}, "pull_requests": [],
    }  # fmt: skip


def comment() -> dict[str, Any]:
    return {"id": 31, "user": user("alan", 103), "body": "```js\nreturn 1 < 2 && '</script>'\n```", "created_at": WHEN}


PARTICULAR: dict[str, dict[str, Any]] = {
    "ping": {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"type": "Repository", "events": ["*"]}},
    "push": {
        "ref": "refs/heads/main", "before": "0" * 40, "after": commit(19)["id"], "created": True, "forced": False,
        "commits": [commit(n) for n in range(20)], "head_commit": commit(19), "pusher": {"name": "ada", "email": None},
    },
    "issues": {"action": "opened", "issue": issue()},
    "issue_comment": {"action": "created", "issue": issue(), "comment": comment()},
    "pull_request": {"action": "synchronize", "number": 8, "pull_request": pull_request()},
    "pull_request_review": {"action": "submitted", "review": comment() | {"state": "approved"}},
    "pull_request_review_comment": {"action": "created", "comment": comment() | {"diff_hunk": "@@ -1 +1 @@\n-a\n+b"}},
    "pull_request_review_thread": {"action": "resolved", "thread": {"comments": [comment()]}},
    "create": {"ref": "v1.0", "ref_type": "tag", "master_branch": "main", "pusher_type": "user"},
    "delete": {"ref": "old", "ref_type": "branch", "pusher_type": "deploy key"},
    "fork": {"forkee": repository() | {"fork": True}},
    "star": {"action": "deleted", "starred_at": None},
    "watch": {"action": "started"},
    "release": {"action": "published", "release": {"tag_name": "v1.0", "assets": [{"size": 10**12}], "body": None}},
    "check_run": {"action": "completed", "check_run": check("check_run")},
    "check_suite": {"action": "completed", "check_suite": check("check_suite")},
    "workflow_run": {"action": "completed", "workflow_run": check("workflow_run") | {"run_attempt": 2}},
    "workflow_job": {"action": "queued", "workflow_job": {"labels": ["self-hosted"], "steps": [], "runner_id": None}},
    "workflow_dispatch": {"inputs": {"level": "warning"}, "ref": "refs/heads/main", "workflow": "ci.yml"},
    "deployment": {"action": "created", "deployment": {"id": 1, "payload": {}, "environment": "production"}},
    "deployment_status": {"action": "created", "deployment_status": {"state": "success", "target_url": ""}},
    "status": {"state": "pending", "context": "ci/build", "description": None, "branches": [], "commit": commit(3)},
    "commit_comment": {"action": "created", "comment": comment() | {"position": None}},
    "discussion": {"action": "answered", "discussion": issue(), "answer": comment()},
    "discussion_comment": {"action": "created", "comment": comment()},
    "label": {"action": "edited", "label": label(), "changes": {"color": {"from": "ffffff"}}},
    "milestone": {"action": "closed", "milestone": milestone()},
    "member": {"action": "added", "member": user("joan", 104), "changes": {"permission": {"to": "write"}}},
    "membership": {"action": "added", "scope": "team", "member": user(), "team": {"name": "core", "parent": None}},
    "organization": {"action": "member_added", "membership": {"role": "member", "user": user()}},
    "team_add": {"team": {"name": "core"}},
    "repository": {"action": "renamed", "changes": {"repository": {"name": {"from": "difference"}}}},
    "repository_dispatch": {"action": "on-demand", "client_payload": {"deep": [[[[{"n": -0.5}]]]]}, "branch": "main"},
    "public": {},
    "gollum": {"pages": [{"page_name": "Home", "action": "edited", "sha": commit(4)["id"], "summary": None}]},
    "page_build": {"id": 1, "build": {"status": "built", "error": {"message": None}, "duration": 2104}},
    "package": {"action": "published", "package": {"name": "engine", "package_version": {"version": "1.0.0"}}},
    "dependabot_alert": {"action": "created", "alert": {"number": 1, "security_advisory": {"cvss": {"score": 9.8}}}},
    "code_scanning_alert": {"action": "created", "alert": {"rule": {"id": "py/sql-injection"}}, "commit_oid": ""},
    "secret_scanning_alert": {"action": "created", "alert": {"secret_type": "mailchimp_api_key", "resolution": None}},
    "branch_protection_rule": {"action": "edited", "rule": {"name": "main", "required_status_checks": ["tests"]}},
    "merge_group": {"action": "checks_requested", "merge_group": {"head_ref": "refs/heads/queue/main/pr-8"}},
    "installation": {"action": "created", "installation": {"id": 2, "permissions": {}}, "repositories": []},
    "sponsorship": {"action": "created", "sponsorship": {"tier": {"monthly_price_in_cents": 500}}},
}  # fmt: skip
"""What each kind of event has beside `repository` and `sender`."""


def payloads() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (event, payload) for each kind."""
    for event, particular in PARTICULAR.items():
        yield event, particular | {"repository": repository(), "sender": user()}


def request(event: str, payload: dict[str, Any], secret: str, form: bool = False) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of GitHub's request; `form`: with its other content type."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    body = urlencode({"payload": text}).encode() if form else text.encode()
    return body, {
        "User-Agent": "GitHub-Hookshot/4b1d2f7",
        "Accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": str(uuid4()),
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, "sha1").hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest(),
    }
