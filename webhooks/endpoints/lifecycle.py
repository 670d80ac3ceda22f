"""Endpoints are made and changed here, each change with all that belongs to it, in one transaction.

What an endpoint listens to is written down with its times (`EndpointRevision`), which is what reconciliation counts
the events that were due by: nothing else may change `active`, `event_types`, `workflow_id` or `deleted_at`.
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
from webhooks.operations.choosing import Chosen
from webhooks.secrets import NoAuth, Secrets, public_url
from webhooks.sending.lanes import open_lane, reset_lane
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.secrets import encryption

CHANGEABLE = frozenset({
    "name", "description", "url", "method", "event_types", "workflow_id", "filter", "transform", "retry_policy",
    "timeout_seconds", "rate_limit", "rate_seconds", "max_concurrent", "ordering", "follow_redirects", "active",
})  # fmt: skip
_CURES = frozenset({"url", "method", "timeout_seconds", "auth", "headers"})
"""A change of these may be what makes a failing receiver answer."""
MOST_ENDPOINTS = 500
"""Of one workspace: every event that is appended looks at all of them."""


class TooMany(Exception):
    """The workspace has as many endpoints as one may have."""


class SecretsLost(Exception):
    """What the endpoint holds is under a key that is not in CREDENTIAL_KEYS: bring the key back, or make a new one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint, and the signing secret that is shown this once."""

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
    """Make an endpoint with its lane and its first revision; the fields are those of the model, checked before.

    Raises Refused (the secret), TooMany, pydantic's ValidationError (the authentication).
    """
    Workspace.objects.select_for_update(of=["self"], no_key=True).get(pk=workspace.pk)
    if Endpoint.objects.filter(workspace=workspace, deleted_at=None).count() >= MOST_ENDPOINTS:
        raise TooMany(f"{TooMany.__doc__} ({MOST_ENDPOINTS}).")
    url = fields.pop("url")
    endpoint = Endpoint(workspace=workspace, created_by=by, **fields)
    signing = endpoint_secrets.made(endpoint.signature, secret)
    held = Secrets(
        signing=[signing],
        auth=endpoint_secrets.merged_auth(NoAuth(), auth or {"type": "none"}),
        headers=endpoint_secrets.merged_headers({}, headers or {}),
    )
    _seal(endpoint, held, url)
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
    """Change what is given and keep the rest, secrets too. Raises Refused, SecretsLost, pydantic's ValidationError."""
    if unknown := set(fields) - CHANGEABLE:
        raise TypeError(f"not to be changed here: {sorted(unknown)}")
    row = _locked(endpoint.pk)
    url = fields.pop("url", None)
    if url == row.url:  # as it is shown, perhaps with the query masked: not changed
        url = None
    changed = {name for name, value in fields.items() if getattr(row, name) != value}
    for name in changed:
        setattr(row, name, fields[name])
    if url is not None or auth is not None or headers is not None:
        held = _opened(row)
        before = held.url or row.url
        if url is not None and url != before:
            changed.add("url")
        if auth is not None:
            held = held.model_copy(update={"auth": endpoint_secrets.merged_auth(held.auth, auth)})
            changed.add("auth")
        if headers is not None:
            held = held.model_copy(update={"headers": endpoint_secrets.merged_headers(held.headers, headers)})
            changed.add("headers")
        _seal(row, held, before if url is None else url)
    if "active" in changed and row.active:
        row.disabled_at, row.disabled_reason = None, ""
    if changed & _CURES or ("active" in changed and row.active):
        reset_lane(row.pk)
    return _saved(row)


@transaction.atomic
def rotate_secret(
    endpoint: Endpoint, *, secret: str | None = None, signature: str | None = None, overlap: timedelta | None = None
) -> Issued:
    """Have a new secret sign, and those before until the overlap is over. Raises Refused, SecretsLost."""
    row = _locked(endpoint.pk)
    row.signature = signature or row.signature
    lasting = timedelta(hours=settings.WEBHOOK_SECRET_OVERLAP_HOURS) if overlap is None else overlap
    held, new = endpoint_secrets.rotated(_opened(row), row.signature, secret, lasting)
    _seal(row, held, held.url or row.url)
    return Issued(_saved(row), new.secret)


@transaction.atomic
def pause(endpoint: Endpoint) -> Endpoint:
    """Go on making deliveries, and send none until `resume`."""
    row = _locked(endpoint.pk)
    row.paused_at = row.paused_at or timezone.now()
    return _saved(row)


@transaction.atomic
def resume(endpoint: Endpoint) -> Endpoint:
    """Send what has been kept; slowly at first, so that the receiver is not flooded."""
    row = _locked(endpoint.pk)
    if row.paused_at is not None:
        row.paused_at = None
        reset_lane(row.pk)
    return _saved(row)


@transaction.atomic
def enable(endpoint: Endpoint) -> Endpoint:
    """Have events become deliveries again, and what waits be sent. What happened meanwhile is for a replay."""
    row = _locked(endpoint.pk)
    row.active, row.disabled_at, row.disabled_reason = True, None, ""
    reset_lane(row.pk)
    return _saved(row)


@transaction.atomic
def delete(endpoint: Endpoint, by: User | None) -> None:
    """Take the endpoint away. What waits for it is cancelled by an operation that survives whatever happens; its
    deliveries can be read until retention removes them, its secrets are gone at once."""
    row = _locked(endpoint.pk)
    operations.start(OperationKind.CANCEL, row.workspace_id, row, Chosen(), by)
    row.deleted_at, row.active = timezone.now(), False
    row.header_names, row.auth_type = [], "none"
    row.sealed = Secrets().sealed()
    row.save()
    _revise(row)
    Lane.objects.filter(pk=row.pk).delete()  # what is written at this very moment is cancelled for having no lane


def whole_url(endpoint: Endpoint) -> str:
    """Return the endpoint's URL with its query; with the values masked where no key opens what is sealed."""
    held = opened(endpoint)
    return (held.url if held else "") or endpoint.url


def opened(endpoint: Endpoint) -> Secrets | None:
    """Return what the endpoint holds; None where no key opens it."""
    try:
        return Secrets.of(endpoint.sealed)
    except encryption.CannotDecrypt:
        return None


def _locked(endpoint_id: UUID) -> Endpoint:
    """Return the row as it is now, for this transaction alone. Raises Endpoint.DoesNotExist for a deleted one."""
    # The lane first, as those do who send: whoever comes to the endpoint from there must not wait for one who is here.
    list(Lane.objects.select_for_update(of=["self"], no_key=True).filter(pk=endpoint_id))
    return Endpoint.objects.select_for_update(of=["self"], no_key=True).get(pk=endpoint_id, deleted_at=None)


def _saved(row: Endpoint) -> Endpoint:
    row.save()
    _revise(row)
    if row.active and row.paused_at is None:
        dispatcher.wake_on_commit()
    return row


def _seal(row: Endpoint, held: Secrets, url: str) -> None:
    row.url, row.sealed = public_url(url), held.with_url(url).sealed()
    row.header_names = sorted(held.headers, key=str.lower)
    row.auth_type = held.auth.type


def _opened(row: Endpoint) -> Secrets:
    try:
        return Secrets.of(row.sealed)
    except encryption.CannotDecrypt:
        raise SecretsLost(SecretsLost.__doc__) from None


def _revise(row: Endpoint) -> None:
    """Write down what the endpoint listens to from now on, if that is not what it did before."""
    moment = database_now()  # the clock by which deliveries are made
    wanted = {
        "listening": row.active and row.deleted_at is None,
        "event_types": row.event_types,
        "workflow_id": row.workflow_id,
    }
    current = EndpointRevision.objects.filter(endpoint=row, ended_at=None).first()
    if current is not None:
        if all(getattr(current, name) == value for name, value in wanted.items()):
            return
        current.ended_at = max(moment, current.began_at)
        current.save(update_fields=["ended_at"])
        moment = current.ended_at
    EndpointRevision.objects.create(endpoint=row, began_at=moment, **wanted)
