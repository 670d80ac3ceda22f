"""Bodies of `/api/workflows/{id}/static-data/`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from workflow_platform.core.api.inputs import BodySerializer


class StaticDataSerializer(serializers.Serializer[Any]):
    """The data that code keeps from one execution of a workflow to the next."""

    nodes = serializers.DictField(child=serializers.DictField(), help_text="The data of single nodes, by id.")
    updated_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; the name of one is a word of Python."""
        return {"global": serializers.DictField(help_text="The data of the whole workflow."), **super().get_fields()}


class StaticDataWriteSerializer(BodySerializer):
    """What replaces the data. A part that is left out stays."""

    closed = True
    returned = frozenset({"updated_at"})
    nodes = serializers.DictField(
        child=serializers.DictField(), required=False, help_text="The data of all nodes, by id; others have none."
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; the name of one is a word of Python."""
        whole = serializers.DictField(required=False, help_text="The data of the whole workflow.")
        return {"global": whole, **super().get_fields()}
