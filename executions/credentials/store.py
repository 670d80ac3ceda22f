"""Credentials as people change them and as nodes use them. Nothing else opens what is encrypted.

What a credential holds leaves this module in an outbound request only: no event, log line, error or answer of the API
has it, and a node run that used it has its outputs and errors redacted (`executions.domain.redaction`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction
from django.utils import timezone

from executions.credentials import oauth2
from executions.credentials.usage import uses_of
from executions.domain.credential_types import CREDENTIAL_TYPES, BadFields, Fields, OAuth2ClientCredentials, read_fields
from executions.domain.errors import NodeError
from executions.models import Credential
from workflow_platform.core import outbound
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.last_used import note_use
from workflow_platform.core.secrets import encryption

RENEWAL_SECONDS = 30.0
_NAME_TAKEN = {"field": "name", "message": "Another credential of the workspace has this name.", "code": "taken"}


class InUse(Exception):
    """Workflows use the credential by its name."""

    def __init__(self, workflows: Sequence[str]) -> None:
        super().__init__(f"Used by its name in {', '.join(workflows[:10])}: a new name would break them.")


# --- changing --------------------------------------------------------------------------------------------------------


def create(*, workspace: Workspace, by: User | None, type_: str, data: Any, **meta: Any) -> Credential:
    """Create a credential; `meta` is `{name, description, allowed_hosts}`. Raises BadFields."""
    row = Credential(workspace=workspace, type=type_, created_by=by, **_checked_meta(meta))
    _close(row, _checked_fields(type_, data))
    return _saved(row, created=True)


def update(credential: Credential, data: Any = None, **meta: Any) -> Credential:
    """Change what is given and keep the rest; a secret that is empty or left out stays. Raises BadFields, InUse."""
    with transaction.atomic():
        row = Credential.objects.select_for_update().get(pk=credential.pk)
        checked = _checked_meta(meta)
        if checked.get("name", row.name) != row.name:
            names = [use.workflow for use in uses_of([row])[row.pk] if use.by_name]
            if names:
                raise InUse(names)
        for name, value in checked.items():
            setattr(row, name, value)
        if data is not None:
            if not isinstance(data, dict):
                raise BadFields([{"field": "data", "message": "An object is needed.", "code": "type"}])
            before = _open(row)
            secret = before.secret_names()
            changed = {name: value for name, value in data.items() if name not in secret or value not in ("", None)}
            _close(row, _checked_fields(row.type, before.model_dump() | changed))
        return _saved(row, created=False)


def delete(credential: Credential) -> None:
    """Take the credential away; node runs that ask for it fail from then on."""
    credential.delete()


def shown_fields(credential: Credential) -> dict[str, Any]:
    """Return the fields that are no secrets. Raises encryption.CannotDecrypt."""
    return _open(credential).shown()


def unknown(references: set[str], workspaces: Sequence[UUID]) -> set[str]:
    """Return those of the names and ids that no credential of the workspaces has."""
    rows = Credential.objects.filter(workspace__in=workspaces)
    return {reference for reference in references if not rows.called(reference).exists()}


def _checked_meta(meta: dict[str, Any]) -> dict[str, Any]:
    if "name" in meta:
        try:
            UUID(meta["name"])
        except ValueError:
            if "{{" in meta["name"]:
                raise BadFields([_NAME_TAKEN | {"message": "No expressions in a name.", "code": "invalid"}]) from None
        else:
            raise BadFields([_NAME_TAKEN | {"message": "A name must not look like an id.", "code": "invalid"}])
    return meta


def _checked_fields(type_: str, data: Any) -> Fields:
    fields = read_fields(type_, data)
    if isinstance(fields, OAuth2ClientCredentials):
        try:
            outbound.check_url(fields.token_url)
        except outbound.OutboundRefused as error:
            raise BadFields([{"field": "data.token_url", "message": str(error), "code": "refused"}]) from None
        except outbound.OutboundFailed:
            pass  # a name that does not resolve now may resolve when it is called
    return fields


def _saved(row: Credential, *, created: bool) -> Credential:
    row.updated_at = timezone.now()
    try:
        with transaction.atomic():
            row.save(force_insert=created)
    except IntegrityError:
        raise BadFields([_NAME_TAKEN]) from None
    return row


# --- at rest ---------------------------------------------------------------------------------------------------------


def _close(row: Credential, fields: Fields) -> None:
    # With the row's own id inside: copied into another row, of another workspace, it does not open.
    row.data = encryption.encrypt(orjson.dumps({"credential": str(row.pk), "fields": fields.model_dump()}))
    row.key = encryption.current_key()
    row.fields_set = sorted(name for name, value in fields.model_dump().items() if value)


def _open(row: Credential) -> Fields:
    """Return the fields. Raises encryption.CannotDecrypt."""
    held = orjson.loads(encryption.decrypt(bytes(row.data)))
    if held["credential"] != str(row.pk):
        raise encryption.CannotDecrypt(encryption.CannotDecrypt.__doc__)
    return read_fields(row.type, held["fields"])


def rotate(chunk: int = 200, after: UUID | None = None) -> tuple[int, list[UUID], UUID | None]:
    """Encrypt the next `chunk` rows that are under other keys than the first one anew, in one transaction.

    Returns (how many, the ids of those that no key opens, the last id looked at or None at the end). Whatever is done
    stays done: a rotation that broke off goes on where it was.
    """
    with transaction.atomic():
        rows = Credential.objects.select_for_update().exclude(key=encryption.current_key()).order_by("pk")
        found = list((rows.filter(pk__gt=after) if after else rows)[:chunk])
        changed, lost = [], []
        for row in found:
            try:
                row.data = encryption.encrypt_anew(bytes(row.data))
            except encryption.CannotDecrypt:
                lost.append(row.pk)
                continue
            row.key = encryption.current_key()
            changed.append(row)
        Credential.objects.bulk_update(changed, ["data", "key"])
    return len(changed), lost, found[-1].pk if found else None


# --- in use ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class OpenCredential:
    """A credential that may be sent; lives as long as the node run that asked for it."""

    id: UUID
    name: str
    allowed_hosts: list[str]
    version: str
    """Changes whenever what is encrypted does: tokens fetched with old secrets are not taken for new ones."""
    fields: Fields = field(repr=False)
    cancelled: threading.Event | None = None
    tokens: list[str] = field(default_factory=list, repr=False)
    renewed_at: float | None = None

    def secrets(self) -> list[str]:
        """Return what must not leave the node run: what is held, and the tokens fetched with it so far."""
        return [*self.fields.secrets(), *self.tokens]

    def apply(self, url: str, headers: dict[str, str], query: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Return headers and query with what signs the request in, before what the node has set itself. Raises
        NodeError where the credential may not go, or no token can be had."""
        self._check_host(url)
        if isinstance(self.fields, OAuth2ClientCredentials):
            if not self.tokens:
                self._fetch(refused=None)
            added, further = {"Authorization": f"Bearer {self.tokens[-1]}"}, {}
        elif not self.fields.for_requests:
            raise NodeError(f"The credential {self.name!r} ({self.fields.label}) cannot sign an HTTP request in.")
        else:
            parts = self.fields.parts()
            added, further = parts.headers, parts.query
        names = {name.lower() for name in added}
        return {name: value for name, value in headers.items() if name.lower() not in names} | added, query | further

    def fields_as(self, kind: type[Fields]) -> Fields:
        """Return what it holds, for a node that takes credentials of one type only. Raises NodeError."""
        if not isinstance(self.fields, kind):
            wanted = next(name for name, known in CREDENTIAL_TYPES.items() if known is kind)
            raise NodeError(f"The credential {self.name!r} is not of the type {wanted}.")
        return self.fields

    def check_host(self, host: str) -> None:
        """Raise NodeError for a host that it may not be sent to."""
        if not self.allowed_hosts:
            return
        host = host.lower()
        for allowed in self.allowed_hosts:
            if host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:])):
                return
        raise NodeError(f"The credential {self.name!r} may only be sent to {', '.join(self.allowed_hosts)}.")

    def fetch_token(self) -> None:
        """Fetch a token whether or not one is kept, to see whether it can be had. Raises NodeError."""
        self._fetch(refused=None, fresh=True)

    def renew(self) -> bool:
        """Fetch a new token in place of the one that was refused. False where there is none, or it was just done: a
        server that refuses every token is not asked for one with each item."""
        now = time.monotonic()
        just_done = self.renewed_at is not None and now - self.renewed_at < RENEWAL_SECONDS
        if not isinstance(self.fields, OAuth2ClientCredentials) or not self.tokens or just_done:
            return False
        self.renewed_at = now
        self._fetch(refused=self.tokens[-1])
        return True

    def _fetch(self, refused: str | None, fresh: bool = False) -> None:
        assert isinstance(self.fields, OAuth2ClientCredentials)
        key = f"{self.id}:{self.version}"
        try:
            token = oauth2.token(key, self.fields, refused=refused, fresh=fresh, cancelled=self.cancelled)
        except oauth2.NoToken as error:
            raise NodeError(f"The credential {self.name!r}: {error}", retryable=error.retryable) from None
        self.tokens.append(token)

    def _check_host(self, url: str) -> None:
        try:
            self.check_host(urlsplit(url).hostname or "")
        except ValueError:
            self.check_host("")


def open_for_node(workspace_id: UUID, reference: str, cancelled: threading.Event | None = None) -> OpenCredential:
    """Return the workspace's credential with this name or id, opened. Raises NodeError."""
    try:
        row = Credential.objects.filter(workspace=workspace_id).called(reference).first()
        if row is None:
            raise NodeError(f"There is no credential {reference!r} in the workflow's workspace (any more).")
        note_use(row)
        return opened(row, cancelled)
    except (DatabaseError, InterfaceError):
        raise NodeError("The database did not answer when a credential was asked for.", retryable=True) from None
    finally:
        if not connection.in_atomic_block:
            connection.close()  # a node runs for long, in a thread of its own


def mark(workspace_id: UUID, reference: str) -> list[str]:
    """Return what tells one state of a credential from another: its id, and when it was changed. Raises NodeError."""
    try:
        row = Credential.objects.filter(workspace=workspace_id).called(reference).only("updated_at").first()
    except (DatabaseError, InterfaceError):
        raise NodeError("The database did not answer when a credential was asked for.", retryable=True) from None
    finally:
        if not connection.in_atomic_block:
            connection.close()
    if row is None:
        raise NodeError(f"There is no credential {reference!r} in the workflow's workspace (any more).")
    return [str(row.pk), row.updated_at.isoformat()]


def opened(row: Credential, cancelled: threading.Event | None = None) -> OpenCredential:
    """Return the credential, opened. Raises NodeError if no key opens it."""
    try:
        fields = _open(row)
    except (encryption.CannotDecrypt, BadFields):
        raise NodeError(f"The credential {row.name!r} cannot be decrypted: no key of CREDENTIAL_KEYS fits.") from None
    version = hashlib.sha256(bytes(row.data)).hexdigest()[:16]
    return OpenCredential(row.pk, row.name, list(row.allowed_hosts), version, fields, cancelled)
