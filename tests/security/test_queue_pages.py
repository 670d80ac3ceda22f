"""The pages of the job queues: staff without the permission get none of them."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, get_resolver
from django_rq import get_queue
from rq.results import Result

from tests.engine import COMMITS
from workflow_platform.core.accounts.models import User

pytestmark = COMMITS
FOLDERS = ("/admin/rq/", "/admin/django_rq/dashboard/")


def pages() -> list[str]:
    """Return an address of every page of the queues."""
    found = []
    for resolver in get_resolver().url_patterns:
        if str(resolver.pattern) == "admin/rq/":
            found = [_address(each) for each in resolver.url_patterns]
    assert len(found) > 20
    return [folder + address for folder in FOLDERS for address in found]


def _address(pattern: URLPattern) -> str:
    text = re.sub(r"\(\?P<[^)]*\)", "x", str(pattern.pattern)).removeprefix("^").partition("?")[0].rstrip("/")
    text += "/" if str(pattern.pattern).endswith("/") else ""
    while "<" in text:
        before, _, rest = text.partition("<")
        text = before + ("0" if rest.startswith("int:") else "x") + rest.partition(">")[2]
    return text


@pytest.fixture
def staff() -> User:
    return User.objects.create_user("clerk", "clerk@example.com", "a-password-for-tests", is_staff=True)


@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_the_permission_reach_no_page_and_no_action(staff: User, method: str) -> None:
    client = Client()
    client.force_login(staff)
    for page in pages():
        assert getattr(client, method)(page).status_code == 403, page


def test_nobody_reaches_them_without_a_login(staff: User) -> None:
    for page in pages():
        answer = Client().get(page, headers={"Authorization": "Bearer guessed"})
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/"), page


def test_a_queue_is_emptied_by_nobody_but_those_who_may(staff: User) -> None:
    queue = get_queue("low")
    queue.empty()
    queue.enqueue("builtins.print", "hello")
    client = Client()
    client.force_login(staff)
    index = next(n for n, name in enumerate(("high", "default", "low")) if name == "low")
    assert client.post(f"/admin/rq/queues/{index}/empty/").status_code == 403
    assert queue.count == 1
    staff.user_permissions.add(Permission.objects.get(content_type__app_label="django_rq", codename="admin"))
    assert client.get("/admin/rq/").status_code == 200
    assert client.get("/admin/rq/stats.json/").status_code == 200
    assert client.post(f"/admin/rq/queues/{index}/empty/").status_code == 302
    assert queue.count == 0


def test_a_former_member_of_staff_keeps_no_access_by_the_permission(staff: User) -> None:
    staff.user_permissions.add(Permission.objects.get(content_type__app_label="django_rq", codename="admin"))
    staff.is_staff = False
    staff.save()
    client = Client()
    client.force_login(staff)
    assert client.get("/admin/rq/stats.json/").status_code == 403


def test_a_superuser_sees_them_as_before(staff: User) -> None:
    staff.is_superuser = True
    staff.save()
    client = Client()
    client.force_login(staff)
    for page in ("/admin/rq/", "/admin/django_rq/dashboard/", "/admin/rq/queues/0/", "/admin/"):
        assert client.get(page).status_code == 200, page


def test_the_page_of_a_job_needs_nothing_that_the_content_policy_forbids() -> None:
    User.objects.create_superuser("root", "root@example.com", "a-password-for-tests")
    queue = get_queue("low")
    queue.empty()
    job = queue.enqueue("builtins.print", ' onclick="kept"')
    Result.create(job, Result.Type.SUCCESSFUL, ttl=60, return_value=1)
    client = Client()
    client.force_login(User.objects.get())
    for folder in FOLDERS:
        page = client.get(f"{folder}queues/2/{job.id}/")
        text = page.content.decode()
        assert "rq-clickable" in text
        assert 'onclick="' not in text
        assert "onclick=&quot;kept&quot;" in text
        assert "js/queue_rows.js" in text
        listed = client.get(f"{folder}queues/2/").content.decode()
        inline = re.findall(r"<(?:script|style)[^>]*>(.*?)</(?:script|style)>", listed, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline if each.strip()]
        assert digests
        assert all(f"'sha256-{digest}'" in page["Content-Security-Policy"] for digest in digests)
    queue.empty()
