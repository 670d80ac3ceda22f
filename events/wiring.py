"""Connects the packages of `events` at the start, and notifies streams of changed permissions."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from events import (
    checks,  # noqa: F401 - registers them
    log,
)
from events.bus import after_commit, subscribers, system_events
from events.catalogue.stream_names import USER, WORKSPACE
from events.replay import jobs, sending, stream_kind
from events.replay.models import Replay
from events.streaming import publisher, stream_kinds
from workflow_platform.core.accounts.models import ApiToken, Membership, TokenFamily, User, Workspace
from workflow_platform.core.jobs import register
from workflow_platform.core.secrets import encrypted_columns


def connect() -> None:
    """Add the sinks of the log, register jobs and kinds of streams, and connect the signals of changed permissions."""
    log.add_sink(subscribers.dispatch_in_transaction, in_transaction=True)
    log.add_sink(publisher.publish)
    log.add_sink(subscribers.dispatch_after_commit)
    after_commit.on_loss(system_events.report_loss)
    stream_kinds.register(stream_kind.KIND)
    register(jobs.KIND, sending.send, "low")
    encrypted_columns.register_column("secrets of replays", Replay, "secrets")
    post_save.connect(_workspace_saved, sender=Workspace, dispatch_uid="events.workspace_saved")
    post_delete.connect(_session_ended, sender=Session, dispatch_uid="events.session_ended")
    of_users = (ApiToken, Membership, TokenFamily)
    for model, receiver in (*((each, _right_changed) for each in of_users), (User, _user_saved)):
        for signal in (post_save, post_delete):
            signal.connect(receiver, sender=model, dispatch_uid=f"events.{model.__name__}.{id(signal)}")


def _session_ended(*, instance: Session, **_: Any) -> None:
    if user := instance.get_decoded().get(SESSION_KEY):
        _check_after_commit(int(user))


def _workspace_saved(*, instance: Workspace, created: bool, **_: Any) -> None:
    if created:
        log.open_stream(f"{WORKSPACE}{instance.pk}", instance.pk)


def _right_changed(*, instance: Any, **_: Any) -> None:
    _check_after_commit(instance.user_id)


def _user_saved(*, instance: Any, created: bool | None = None, **_: Any) -> None:
    name = f"{USER}{instance.pk}"
    if created:
        log.open_stream(name, None)
    elif created is None:  # deleted
        log.remove_stream(name)
    _check_after_commit(instance.pk)


def _check_after_commit(user: int) -> None:
    transaction.on_commit(lambda: publisher.access_changed(user))
