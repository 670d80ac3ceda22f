"""Every word that the platform wrote about runs that used a credential is searched for the secret."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis
import requests
from psycopg import sql

from tests.conftest import Platform
from tests.hostile import Hostile, hostile, read_request
from tests.watching import watch
from tests.workflows import edge, node


@dataclass
class Mirror:
    """Answers with what it was asked, in body, headers and Location, with the status that the path names; `flaky` is
    503 at first, `dead` closes without a word."""

    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, connection: Any, over: threading.Event) -> None:
        while request := read_request(connection).decode("latin-1"):
            self.asked.append(request)
            target = request.split(" ")[1]
            path = target.split("?")[0]
            self.seen[path] += 1
            said: dict[str, Any] = {"asked": request, "lines": request.split("\r\n"), "target": target}
            if path == "/encoded":
                # As some services repeat it: in Base64, wherever in a group of three bytes the secret begins.
                shifted = [b"x" * count + request.encode("latin-1") for count in range(3)]
                said["standard"] = [base64.b64encode(each).decode() for each in shifted]
                said["url_safe"] = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in shifted]
                said["hex"] = request.encode("latin-1").hex()
            status = {"/fail": 500, "/move": 302, "/no": 401}.get(path, 200)
            if path == "/dead":
                return
            if path == "/flaky" and self.seen[path] % 2:
                status = 503
            if path == "/token":
                self.tokens.append(secrets.token_urlsafe(24))
                said = {"access_token": self.tokens[-1], "expires_in": 3600, "was": request}
            body = json.dumps(said).encode()
            signed = re.findall(r"(?:Authorization|X-Key): (.*)\r", request)
            head = f"HTTP/1.1 {status} {''.join(signed)}\r\nContent-Type: application/json\r\n"
            head += f"Location: http://127.0.0.2/{target}\r\nX-Echo: {''.join(signed)}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)


@pytest.fixture(scope="module")
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture(scope="module")
def server(mirror: Mirror) -> Iterator[Hostile]:
    with hostile(mirror) as running:
        yield running


SECRET = f"ge/heim+{secrets.token_hex(12)}"


def held(server: Hostile) -> dict[str, dict[str, Any]]:
    return {
        "basic": {"username": "ada", "password": SECRET},
        "bearer": {"token": SECRET},
        "header": {"name": "X-Key", "value": SECRET},
        "query": {"name": "key", "value": SECRET},
        "oauth2_client_credentials": {
            "token_url": f"{server.url}token",
            "client_id": "ada",
            "client_secret": SECRET,
            "authentication": "body",
        },
    }


def workflow(url: str, credential: str) -> dict[str, Any]:
    """A workflow whose requests succeed, are tried again, are moved, are refused and fail; each is copied on."""
    retry = {"attempts": 2, "delay_ms": 10}
    asks = {
        "ok": {},
        "encoded": {},
        "flaky": {"retry": retry},
        "move": {},
        "no": {"on_error": "continue"},
        "dead": {"retry": retry, "on_error": "continue"},
        "gone": {"on_error": "route"},
    }
    # The last one fails the execution: it waits until all of the others have ended.
    nodes, edges = [node("start", "manual_trigger"), node("all", "merge")], [edge("all", "fail")]
    for name, further in asks.items():
        target = "http://127.0.0.2:1/" if name == "gone" else f"{url}{name}"
        redirects = "stop" if name == "move" else "follow"  # nothing listens where it would go
        asking = node(name, "http_request", url=target, credential=credential, redirects=redirects)
        nodes.append(asking | further)
        nodes.append(node(f"after_{name}", "set", fields={"copy": "{{ JSON.stringify($json) }}"}))
        edges += [edge("start", name), edge(name, f"after_{name}", "error" if name == "gone" else "main")]
        edges.append(edge(f"after_{name}", "all", "main", name))
    nodes.append(node("fail", "http_request", url=f"{url}fail", credential=credential, method="POST"))
    return {"name": f"Signs in with {credential}", "nodes": nodes, "edges": edges}


async def run(platform: Platform, definition: dict[str, Any]) -> tuple[str, str, list[Any]]:
    """Return the ids of workflow and execution, and what was heard of it live."""
    made = platform.request("POST", "/api/workflows/", json=definition)
    assert made.status_code == 201, made.text
    path = f"/api/workflows/{made.json()['id']}/execute/"
    started = platform.request("POST", path, json={"input": [{}]}).json()
    async with asyncio.timeout(240):
        events = await watch(platform.ws_url, platform.token, started["stream"])
    return made.json()["id"], started["id"], events


def needles(mirror: Mirror) -> list[str]:
    pairs = [base64.b64encode(f"ada:{secret}".encode()).decode() for secret in (SECRET, quote(SECRET, safe=""))]
    plain = [SECRET, quote(SECRET), quote(SECRET, safe=""), *pairs, *mirror.tokens]
    return [*plain, *(core for each in (SECRET, *mirror.tokens) for core in in_base64(each)), SECRET.encode().hex()]


def in_base64(secret: str) -> list[str]:
    """Return the characters that stand for the secret alone, for each place in a group of three bytes."""
    found = []
    for before in range(3):
        text = base64.b64encode(b"x" * before + secret.encode()).decode()
        core = text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        found += [core, core.replace("+", "-").replace("/", "_")]
    return found


def check(text: str | bytes, wanted: list[str], where: str) -> None:
    content = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for needle in wanted:
        at = content.find(needle)
        assert at < 0, f"{where}: …{content[max(0, at - 200) : at]}<the secret>"


def check_database(platform: Platform, wanted: list[str]) -> int:
    read = 0
    with psycopg.connect(platform.environment["DATABASE_URL"]) as database:
        tables = database.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            hidden = {"data"} if table == "executions_credential" else set()
            columns = database.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
            ).fetchall()
            shown = [sql.Identifier(column) for (column,) in columns if column not in hidden]
            rows = database.execute(
                sql.SQL("SELECT ROW({})::text FROM {}").format(sql.SQL(", ").join(shown), sql.Identifier(table))
            )
            while some := rows.fetchmany(1000):  # together: to search each row by itself takes ten times as long
                text = "\n".join(row for (row,) in some)
                # As it is, and with the escapes of JSON and of a row's text undone.
                check(text, wanted, table)
                check(text.replace("\\\\", "\\").replace('\\"', '"').replace("\\/", "/"), wanted, table)
                read += len(some)
        encrypted = database.execute("SELECT data FROM executions_credential").fetchall()
    for (data,) in encrypted:
        check(bytes(data), wanted, "the encrypted column")
    return read


READ_KEY = {
    b"string": lambda r, k: [r.get(k)],
    b"list": lambda r, k: r.lrange(k, 0, -1),
    b"set": lambda r, k: r.smembers(k),
    b"zset": lambda r, k: r.zrange(k, 0, -1),
    b"hash": lambda r, k: [each for pair in r.hgetall(k).items() for each in pair],
    b"stream": lambda r, k: [repr(r.xrange(k)).encode()],
}


def check_redis(platform: Platform, wanted: list[str]) -> set[bytes]:
    client = redis.Redis.from_url(platform.environment["REDIS_URL"])
    keys = set(client.scan_iter(count=1000))
    for key in keys:
        check(key, wanted, "Redis")
        kind = client.type(key)
        for value in READ_KEY[kind](client, key) if kind in READ_KEY else []:
            check(value or b"", wanted, f"Redis {key!r}")
    client.close()
    return keys


WANTED_QUERIES = {
    "/api/events/export/": "?stream=execution:{executions}",
    "/api/trace/": "?execution={executions}",
}


def check_api(platform: Platform, wanted: list[str], ids: dict[str, str]) -> int:
    """Ask every GET route, with the ids of what ran where it wants ids."""
    schema = platform.request("GET", "/api/schema/?format=json").json()
    read = 0
    for path, methods in schema["paths"].items():
        if "get" not in methods:
            continue
        names = set(re.findall(r"(\w+)/\{\w+\}", path))
        if not names <= set(ids):
            continue
        for each in ids["nodes"].split() if "nodes" in names else [""]:
            filled = re.sub(
                r"(\w+)/\{\w+\}", lambda f, node=each: f"{f[1]}/{node if f[1] == 'nodes' else ids[f[1]]}", path
            )
            filled += WANTED_QUERIES.get(path, "").format(**ids)
            answer = platform.request("GET", filled)
            assert answer.status_code == 200, (filled, answer.text)
            check(answer.text, wanted, filled)
            if not answer.headers["Content-Type"].startswith("application/json"):
                continue
            check(json.dumps(answer.json(), ensure_ascii=False).replace("\\", ""), wanted, filled)
            read += 1
    return read


def check_pages(platform: Platform, wanted: list[str], ids: dict[str, str]) -> None:
    browser = requests.Session()
    login = f"{platform.url}/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(login, timeout=240).text)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": platform.password}
    browser.post(login, data=form, timeout=240)
    admin = "/admin/executions"
    for path in (
        "/", "/workflows/", f"/workflows/{ids['workflows']}/", f"/executions/{ids['executions']}/", "/credentials/",
        f"{admin}/credential/", f"{admin}/credential/{ids['credentials']}/change/", f"{admin}/noderun/",
        f"{admin}/execution/{ids['executions']}/change/", "/admin/events/event/",
    ):  # fmt: skip
        page = browser.get(platform.url + path, timeout=240)
        assert page.status_code == 200, path
        check(page.text, wanted, path)


async def test_no_secret_is_written_anywhere(platform: Platform, mirror: Mirror, server: Hostile) -> None:
    ran = []
    for type_, data in held(server).items():
        name = f"{type_} {secrets.token_hex(4)}"
        body = {"name": name, "type": type_, "data": data}
        made = platform.request("POST", "/api/credentials/", json=body)
        assert made.status_code == 201, made.text
        refused = platform.request("POST", "/api/credentials/", json=body | {"data": data | {"x": SECRET}})
        assert refused.status_code == 400
        tried = platform.request("POST", f"/api/credentials/{made.json()['id']}/test/", json={"url": f"{server.url}ok"})
        assert tried.json()["ok"] is True, tried.text
        for answer in (made, refused, tried):
            check(answer.text, needles(mirror), "an answer")
        ran.append((made.json()["id"], *await run(platform, workflow(server.url, name))))
    wanted = needles(mirror)
    sent = " ".join(mirror.asked)
    pair = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    for needle in (SECRET, quote(SECRET, safe=""), pair, *mirror.tokens[-1:]):
        assert needle in sent  # else there would be nothing to find
    assert mirror.tokens
    for credential, workflow_id, execution, events in ran:
        types = Counter(event["type"] for event in events)
        assert types["execution.node_retrying"] == 2
        assert types["execution.node_failed"] == 4
        assert events[-1]["type"] == "execution.failed"
        told = json.dumps(events, ensure_ascii=False)
        assert told.count("***") > 10  # the echo is there, without what it echoed
        check(told, wanted, "the events")
        nodes = " ".join(f"{name} after_{name}" for name in ("ok", "encoded", "flaky", "move", "no", "dead", "gone"))
        nodes = f"start {nodes} all fail"
        ids = {"credentials": credential, "workflows": workflow_id, "executions": execution, "nodes": nodes}
        assert await asyncio.to_thread(check_api, platform, wanted, ids) > 25
        await asyncio.to_thread(check_pages, platform, wanted, ids)
    assert await asyncio.to_thread(check_database, platform, wanted) > 500
    assert any(b"credential-token" in key for key in await asyncio.to_thread(check_redis, platform, wanted))
    logs = list(platform.folder.glob("*.log"))
    assert len(logs) >= 4
    for log in logs:
        check(log.read_bytes(), wanted, log.name)


def test_a_credential_that_was_deleted_fails_its_node_in_plain_words(platform: Platform, server: Hostile) -> None:
    body = {"name": f"Gone {secrets.token_hex(4)}", "type": "bearer", "data": {"token": SECRET}}
    credential = platform.request("POST", "/api/credentials/", json=body).json()
    asks = node("ask", "http_request", url=server.url) | {"credentials": credential["id"]}  # the node's own field
    definition = {"name": "Asks", "nodes": [node("start", "manual_trigger"), asks], "edges": [edge("start", "ask")]}
    made = platform.request("POST", "/api/workflows/", json=definition).json()
    path = f"/api/workflows/{made['id']}/execute/"
    assert platform.request("POST", path, json={"input": [{}], "wait": 30}).json()["status"] == "completed"
    assert platform.request("GET", f"/api/credentials/{credential['id']}/").json()["last_used_at"] is not None
    assert platform.request("DELETE", f"/api/credentials/{credential['id']}/").status_code == 204
    ended = platform.request("POST", path, json={"input": [{}], "wait": 30}).json()
    assert ended["status"] == "failed"
    assert ended["error"]["node"] == "ask"
    assert f"There is no credential {credential['id']!r}" in ended["error"]["message"]
