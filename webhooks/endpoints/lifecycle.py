"""Creates and changes endpoints, each change in one transaction.

Each change of the subscription is recorded as an `EndpointRevision`, from which reconciliation computes the events that
were due. Only this module and `sending.disabling` may change `active`, `event_types`, `workflow_id` and `deleted_at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from events.replay.reading import database_now
from webhooks import dispatcher, operations
from webhooks.endpoints import endpoint_secrets
from webhooks.models import Endpoint, EndpointRevision, Lane, OperationKind
from webhooks.operations.selection import DeliverySelection
from webhooks.secrets import NoAuth, SealedSecrets, public_url
from webhooks.sending.lanes import open_lane, reset_lane
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.secrets import encryption

CHANGEABLE = frozenset({
    "name", "description", "url", "method", "event_types", "workflow_id", "filter", "transform", "retry_policy",
    "timeout_seconds", "rate_limit", "rate_seconds", "max_concurrent", "ordering", "follow_redirects", "active",
})  # fmt: skip
_CURES = frozenset({"url", "method", "timeout_seconds", "auth", "headers"})
"""A change of one of these may repair a failing receiver, so it resets the lane."""
MOST_ENDPOINTS = 500
"""Of one workspace: each append of events reads all of them."""


class TooManyEndpoints(Exception):
    """The workspace has MOST_ENDPOINTS endpoints."""


class SecretsLost(Exception):
    """No key in CREDENTIAL_KEYS decrypts the secrets of the endpoint. Restore the key, or create a new endpoint."""


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint and its new signing secret, which is shown once."""

    endpoint: Endpoint
    secret: str


@transaction.atomic
def create(
    *,
    workspace: Workspace,
    by: User | None,
    secret: str | None = None,
    auth: Mapping[str, Any] | None = None,
    headers: Mapping[str, str | None] | None = None,
    **fields: Any,
) -> Issued:
    """Create an endpoint with its lane and its first revision. The fields are those of the model, already validated.

    Raises InvalidValue (the secret), TooManyEndpoints, pydantic's ValidationError (the authentication).
    """
    Workspace.objects.select_for_update(of=["self"], no_key=True).get(pk=workspace.pk)
    if Endpoint.objects.filter(workspace=workspace, deleted_at=None).count() >= MOST_ENDPOINTS:
        raise TooManyEndpoints(f"The workspace has {MOST_ENDPOINTS} endpoints, the maximum. Delete one first.")
    url = fields.pop("url")
    endpoint = Endpoint(workspace=workspace, created_by=by, **fields)
    signing = endpoint_secrets.made(endpoint.signature, secret)
    secrets = SealedSecrets(
        signing=[signing],
        auth=endpoint_secrets.merged_auth(NoAuth(), auth or {"type": "none"}),
        headers=endpoint_secrets.merged_headers({}, headers or {}),
    )
    _seal(endpoint, secrets, url)
    endpoint.save(force_insert=True)
    open_lane(endpoint)
    _revise(endpoint)
    return Issued(endpoint, signing.secret)


@transaction.atomic
def change(
    endpoint: Endpoint,
    *,
    auth: Mapping[str, Any] | None = None,
    headers: Mapping[str, str | None] | None = None,
    **fields: Any,
) -> Endpoint:
    """Change the given fields and keep the rest. Raises InvalidValue, SecretsLost, pydantic's ValidationError."""
    if unknown := set(fields) - CHANGEABLE:
        raise TypeError(f"these fields cannot be changed: {sorted(unknown)}")
    row = _locked(endpoint.pk)
    url = fields.pop("url", None)
    if url == row.url:  # the displayed URL, perhaps with its query masked: unchanged
        url = None
    changed = {name for name, value in fields.items() if getattr(row, name) != value}
    for name in changed:
        setattr(row, name, fields[name])
    if url is not None or auth is not None or headers is not None:
        secrets = _opened(row)
        before = secrets.url or row.url
        if url is not None and url != before:
            changed.add("url")
        if auth is not None:
            secrets = secrets.model_copy(update={"auth": endpoint_secrets.merged_auth(secrets.auth, auth)})
            changed.add("auth")
        if headers is not None:
            secrets = secrets.model_copy(update={"headers": endpoint_secrets.merged_headers(secrets.headers, headers)})
            changed.add("headers")
        _seal(row, secrets, before if url is None else url)
    if "active" in changed and row.active:
        row.disabled_at, row.disabled_reason = None, ""
    if changed & _CURES or ("active" in changed and row.active):
        reset_lane(row.pk)
    return _saved(row)


@transaction.atomic
def rotate_secret(
    endpoint: Endpoint, *, secret: str | None = None, signature: str | None = None, overlap: timedelta | None = None
) -> Issued:
    """Add a new signing secret; the previous ones sign until the overlap ends. Raises InvalidValue, SecretsLost."""
    row = _locked(endpoint.pk)
    row.signature = signature or row.signature
    lasting = timedelta(hours=settings.WEBHOOK_SECRET_OVERLAP_HOURS) if overlap is None else overlap
    secrets, new = endpoint_secrets.rotated(_opened(row), row.signature, secret, lasting)
    _seal(row, secrets, secrets.url or row.url)
    return Issued(_saved(row), new.secret)


@transaction.atomic
def pause(endpoint: Endpoint) -> Endpoint:
    """Pause the endpoint: deliveries are created and not sent until `resume`."""
    row = _locked(endpoint.pk)
    row.paused_at = row.paused_at or timezone.now()
    return _saved(row)


@transaction.atomic
def resume(endpoint: Endpoint) -> Endpoint:
    """Send the queued deliveries, slowly at first."""
    row = _locked(endpoint.pk)
    if row.paused_at is not None:
        row.paused_at = None
        reset_lane(row.pk)
    return _saved(row)


@transaction.atomic
def enable(endpoint: Endpoint) -> Endpoint:
    """Make the endpoint active again. Events of the meantime can be replayed."""
    row = _locked(endpoint.pk)
    row.active, row.disabled_at, row.disabled_reason = True, None, ""
    reset_lane(row.pk)
    return _saved(row)


@transaction.atomic
def delete(endpoint: Endpoint, by: User | None) -> None:
    """Delete the endpoint and its secrets, and start an operation that cancels its unsent deliveries.

    Its deliveries stay readable until retention removes them.
    """
    row = _locked(endpoint.pk)
    operations.start(OperationKind.CANCEL, row.workspace_id, row, DeliverySelection(), by)
    row.deleted_at, row.active = timezone.now(), False
    row.header_names, row.auth_type = [], "none"
    row.sealed = SealedSecrets().sealed()
    row.save()
    _revise(row)
    Lane.objects.filter(pk=row.pk).delete()  # deliveries that are written now are cancelled because they have no lane


def close_all(workspace_id: UUID) -> None:
    """Delete the endpoints of a workspace that is deleted, with their secrets, and start an operation that cancels its
    unsent deliveries."""
    operations.start(OperationKind.CANCEL, workspace_id, None, DeliverySelection())
    Lane.objects.filter(workspace=workspace_id).delete()
    Endpoint.objects.filter(workspace=workspace_id, deleted_at=None).update(
        deleted_at=timezone.now(), active=False, header_names=[], auth_type="none", sealed=SealedSecrets().sealed()
    )


def whole_url(endpoint: Endpoint) -> str:
    """Return the endpoint's URL with its query; with masked values if no key decrypts its secrets."""
    secrets = opened(endpoint)
    return (secrets.url if secrets else "") or endpoint.url


def opened(endpoint: Endpoint) -> SealedSecrets | None:
    """Return the secrets of the endpoint; None if no key decrypts them."""
    try:
        return SealedSecrets.of(endpoint.sealed)
    except encryption.CannotDecrypt:
        return None


def _locked(endpoint_id: UUID) -> Endpoint:
    """Lock and return the row. Raises Endpoint.DoesNotExist for a deleted endpoint."""
    # Lock order: the lane, then the endpoint, as the senders do.
    list(Lane.objects.select_for_update(of=["self"], no_key=True).filter(pk=endpoint_id))
    return Endpoint.objects.select_for_update(of=["self"], no_key=True).get(pk=endpoint_id, deleted_at=None)


def _saved(row: Endpoint) -> Endpoint:
    row.save()
    _revise(row)
    if row.active and row.paused_at is None:
        dispatcher.wake_on_commit()
    return row


def _seal(row: Endpoint, secrets: SealedSecrets, url: str) -> None:
    row.url, row.sealed = public_url(url), secrets.with_url(url).sealed()
    row.header_names = sorted(secrets.headers, key=str.lower)
    row.auth_type = secrets.auth.type


def _opened(row: Endpoint) -> SealedSecrets:
    try:
        return SealedSecrets.of(row.sealed)
    except encryption.CannotDecrypt:
        raise SecretsLost(SecretsLost.__doc__) from None


def _revise(row: Endpoint) -> None:
    """Record the subscription from now on, if it has changed."""
    moment = database_now()  # the clock that stamps deliveries
    subscription = {
        "listening": row.active and row.deleted_at is None,
        "event_types": row.event_types,
        "workflow_id": row.workflow_id,
    }
    current = EndpointRevision.objects.filter(endpoint=row, ended_at=None).first()
    if current is not None:
        if all(getattr(current, name) == value for name, value in subscription.items()):
            return
        current.ended_at = max(moment, current.began_at)
        current.save(update_fields=["ended_at"])
        moment = current.ended_at
    EndpointRevision.objects.create(endpoint=row, began_at=moment, **subscription)
