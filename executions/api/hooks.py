"""The URLs of a workflow's webhook triggers, as the API returns them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from executions.models import Workflow
from executions.triggers.hooks.pages import hooks_of
from workflow_platform.core.requests.hooks_host import hooks_url


class HookSerializer(serializers.Serializer[Any]):
    node = serializers.CharField(help_text="The webhook trigger's id.")
    url = serializers.URLField(help_text="The production URL; it accepts requests while the workflow is active.")
    test_url = serializers.URLField(help_text="The test URL: requests are verified and shown, but start no execution.")
    methods = serializers.ListField(child=serializers.CharField())


def listed(workflow: Workflow) -> list[dict[str, Any]]:
    """Return the webhook triggers of the latest version, in the shape of HookSerializer."""
    if workflow.latest_version is None:
        return []
    base = f"{hooks_url()}/hooks/"
    return [
        hook | {"url": base + hook["path"], "test_url": base + hook["test_path"]}
        for hook in hooks_of(workflow, workflow.latest_version)
    ]
