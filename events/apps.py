from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save


class EventsConfig(AppConfig):
    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the log to its readers, register checks, jobs and kinds of streams, and watch the rights of users."""
        # Models and what imports them can only be imported once the apps are loaded.
        from events import (
            checks,  # noqa: F401 - registers them
            log,
        )
        from events.bus import after_commit, subscribers, system_events
        from events.replay import jobs, sending, stream_kind
        from events.replay.models import Replay
        from events.streaming import publisher, stream_kinds
        from workflow_platform.core.accounts.models import ApiToken, Membership, TokenFamily, User
        from workflow_platform.core.jobs import register
        from workflow_platform.core.secrets import encrypted_columns

        log.add_sink(subscribers.dispatch_in_transaction, in_transaction=True)
        log.add_sink(publisher.publish)
        log.add_sink(subscribers.dispatch_after_commit)
        after_commit.on_loss(system_events.report_loss)
        stream_kinds.register(stream_kind.KIND)
        register(jobs.KIND, sending.send, "low")
        encrypted_columns.register_column("secrets of replays", Replay, "secrets")
        user_logged_out.connect(_user_changed, dispatch_uid="events.logged_out")
        theirs = (ApiToken, Membership, TokenFamily)
        for model, changed in (*((each, _theirs_changed) for each in theirs), (User, _user_saved)):
            for signal in (post_save, post_delete):
                signal.connect(changed, sender=model, dispatch_uid=f"events.{model.__name__}.{id(signal)}")


def _user_changed(*, user: Any, **_: Any) -> None:
    if user is not None:
        _tell(user.pk)


def _theirs_changed(*, instance: Any, **_: Any) -> None:
    _tell(instance.user_id)


def _user_saved(*, instance: Any, **_: Any) -> None:
    _tell(instance.pk)


def _tell(user: int) -> None:
    from events.streaming.connections import access_changed

    transaction.on_commit(lambda: access_changed(user))
