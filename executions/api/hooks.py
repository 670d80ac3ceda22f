"""Where a workflow's webhook triggers listen, as the API says it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from executions.models import Workflow
from executions.triggers.hooks.pages import hooks_of
from workflow_platform.core.requests.hooks_host import hooks_url


class HookSerializer(serializers.Serializer[Any]):
    node = serializers.CharField(help_text="The webhook trigger's id.")
    url = serializers.URLField(help_text="It answers while the workflow is active.")
    test_url = serializers.URLField(help_text="What is sent there is checked and shown, and starts nothing.")
    methods = serializers.ListField(child=serializers.CharField())


def listed(workflow: Workflow) -> list[dict[str, Any]]:
    """Return the webhook triggers of the latest version, as HookSerializer has them."""
    if workflow.latest_version is None:
        return []
    base = f"{hooks_url()}/hooks/"
    return [
        found | {"url": base + found["path"], "test_url": base + found["test_path"]}
        for found in hooks_of(workflow, workflow.latest_version)
    ]
