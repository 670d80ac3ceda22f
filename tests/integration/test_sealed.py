"""New keys for everything that is encrypted at rest, whichever app it belongs to."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import call_command
from django.db import models
from django.utils import timezone

from events.replay.models import Replay, ReplayMode, ReplayTarget
from events.replay.url_target import UrlTarget
from tests.delivering import make_endpoint, make_workspace
from webhooks.outbox import AdHoc, create_ad_hoc
from webhooks.secrets import BearerAuth, SealedSecrets
from workflow_platform.core.secrets import encrypted_columns, encryption

pytestmark = pytest.mark.django_db

KEPT = SealedSecrets(auth=BearerAuth(type="bearer", token="correct-horse-battery"), headers={"X-Key": "staple"})


def test_what_endpoints_deliveries_and_replays_hold_moves_to_the_new_key(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    endpoint = make_endpoint()
    endpoint.sealed = KEPT.sealed()
    endpoint.save()
    wanted = AdHoc(workspace_id=make_workspace().pk, url="http://127.0.0.2:9/", auth=KEPT.auth, headers=KEPT.headers)
    (delivery,) = create_ad_hoc([wanted])
    to = UrlTarget("http://127.0.0.2:9/", {"X-Key": "staple"}, "a-secret-of-ours")
    replay = Replay.objects.create(
        mode=ReplayMode.AT_ONCE,
        target=ReplayTarget.ENDPOINT,
        url=to.url,
        secrets=to.sealed(),
        expires_at=timezone.now(),
    )
    new = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, *settings.CREDENTIAL_KEYS]
    for times in (1, 0):
        said = io.StringIO()
        call_command("rotate_credential_keys", "--chunk", "1", stdout=said)
        for what in ("endpoints", "ad-hoc deliveries", "secrets of replays"):
            assert f"{times} {what} re-encrypted.\n" in said.getvalue()
    settings.CREDENTIAL_KEYS = [new]
    settings.SECRET_KEY = "another secret key " * 4
    for row in (endpoint, delivery, replay):
        row.refresh_from_db()
    assert SealedSecrets.of(endpoint.sealed) == KEPT
    assert SealedSecrets.of(delivery.sealed) == KEPT
    assert UrlTarget.of(replay) == to


def test_every_binary_column_is_known_to_the_rotation_of_keys() -> None:
    known = {"credential.data", "endpoint.sealed", "delivery.sealed", "replay.secrets"}
    not_secret = {"binarychunk.data", "binary.sha256"}  # the content of files, as items are
    found = {
        f"{model._meta.model_name}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField) and model._meta.app_label in {"events", "webhooks", "executions"}
    }
    assert found <= known | not_secret, (
        "Register it (core.secrets.encrypted_columns), or name it here if it is no secret."
    )
    assert len(encrypted_columns.known()) == len(known)
    assert not encryption.is_current(b"no token")
