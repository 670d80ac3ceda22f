"""History in the admin site can be looked at and not be changed."""

from __future__ import annotations

import re

import requests

from tests.conftest import Platform

MODELS = ["workflow", "workflowversion", "execution", "noderun", "webhookroute", "schedule", "wait"]


def test_every_model_of_executions_has_a_list_without_an_add_button(platform: Platform) -> None:
    with requests.Session() as session:
        page = session.get(f"{platform.url}/admin/login/", timeout=240).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        form = {"username": "admin", "password": platform.password, "csrfmiddlewaretoken": token[1]}
        session.post(f"{platform.url}/admin/login/?next=/admin/", data=form, timeout=240)
        for model in MODELS:
            listed = session.get(f"{platform.url}/admin/executions/{model}/", timeout=240)
            assert listed.status_code == 200
            assert "changelist" in listed.text
            assert session.get(f"{platform.url}/admin/executions/{model}/add/", timeout=240).status_code == 403
