from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from events.models import Event, Replay, Stream


class ReadOnly:
    """History is looked at, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Stream)
class StreamAdmin(ReadOnly, admin.ModelAdmin[Stream]):
    list_display = ["name", "workspace", "last_sequence", "created_at", "ended_at"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]
    search_fields = ["name"]
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin[Event]):
    list_display = ["type", "stream", "sequence", "time", "source", "execution_id"]
    list_filter = ["type", "source"]
    list_select_related = ["stream"]
    search_fields = ["=execution_id", "=workflow_id", "=stream__name"]
    ordering = ["-id"]
    show_full_result_count = False


@admin.register(Replay)
class ReplayAdmin(ReadOnly, admin.ModelAdmin[Replay]):
    list_display = ["id", "created_by", "target", "state", "mode", "total", "position", "created_at", "expires_at"]
    list_filter = ["target", "state", "mode"]
    list_select_related = ["created_by"]
    exclude = ["secrets", "url"]
    show_full_result_count = False
