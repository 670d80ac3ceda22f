"""Creates, changes, decrypts and rotates credentials. Only this module decrypts them.

The secrets of a credential appear only in outbound requests: never in an event, log line, error or API response. The
outputs and errors of a node run that uses it are redacted (`executions.domain.redaction`).
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
from executions.credentials.host_binding import HostBinding
from executions.credentials.usage import uses_of
from executions.domain.credential_types import CREDENTIAL_TYPES, BadFields, Fields, OAuth2ClientCredentials, read_fields
from executions.domain.errors import NodeError
from executions.models import Credential
from workflow_platform.core import outbound
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.last_used import note_use
from workflow_platform.core.secrets import encryption

RENEWAL_SECONDS = 30.0
_NAME_TAKEN = {
    "field": "name",
    "message": "Another credential in this workspace has this name. Choose another name.",
    "code": "taken",
}


class InUse(Exception):
    """Workflows refer to the credential by its name."""

    def __init__(self, workflows: Sequence[str]) -> None:
        super().__init__(
            f"The name cannot be changed: workflows refer to it ({', '.join(workflows[:10])}). Use the id there first."
        )


# --- changing --------------------------------------------------------------------------------------------------------


def create(*, workspace: Workspace, by: User | None, type_: str, data: Any, **meta: Any) -> Credential:
    """Create a credential; `meta` is `{name, description, allowed_hosts}`. Raises BadFields."""
    row = Credential(workspace=workspace, type=type_, created_by=by, **_checked_meta(meta))
    _encrypt(row, _checked_fields(type_, data))
    return _save(row, created=True)


def update(credential: Credential, data: Any = None, **meta: Any) -> Credential:
    """Change the given fields and keep the others. An empty or omitted secret is kept. Raises BadFields, InUse."""
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
                raise BadFields([{"field": "data", "message": "Must be an object.", "code": "type"}])
            before = _open(row)
            secret = before.secret_names()
            changed = {name: value for name, value in data.items() if name not in secret or value not in ("", None)}
            _encrypt(row, _checked_fields(row.type, before.model_dump() | changed))
        return _save(row, created=False)


def delete(credential: Credential) -> None:
    """Delete the credential. Node runs that use it fail from then on."""
    credential.delete()


def shown_fields(credential: Credential) -> dict[str, Any]:
    """Return the fields that are not secret. Raises encryption.CannotDecrypt."""
    return _open(credential).shown()


def unknown(references: set[str], workspaces: Sequence[UUID]) -> set[str]:
    """Return the names and ids that belong to no credential of the workspaces."""
    rows = Credential.objects.filter(workspace__in=workspaces)
    return {reference for reference in references if not rows.called(reference).exists()}


def _checked_meta(meta: dict[str, Any]) -> dict[str, Any]:
    if "name" in meta:
        try:
            UUID(meta["name"])
        except ValueError:
            if "{{" in meta["name"]:
                raise BadFields(
                    [_NAME_TAKEN | {"message": "The name must not contain {{.", "code": "invalid"}]
                ) from None
        else:
            raise BadFields([_NAME_TAKEN | {"message": "The name must not be a UUID.", "code": "invalid"}])
    return meta


def _checked_fields(type_: str, data: Any) -> Fields:
    fields = read_fields(type_, data)
    if isinstance(fields, OAuth2ClientCredentials):
        try:
            outbound.check_url(fields.token_url)
        except outbound.OutboundRefused as error:
            raise BadFields([{"field": "data.token_url", "message": str(error), "code": "refused"}]) from None
        except outbound.OutboundFailed:
            pass  # the host may resolve when it is called
    return fields


def _save(row: Credential, *, created: bool) -> Credential:
    row.updated_at = timezone.now()
    try:
        with transaction.atomic():
            row.save(force_insert=created)
    except IntegrityError:
        raise BadFields([_NAME_TAKEN]) from None
    return row


# --- at rest ---------------------------------------------------------------------------------------------------------


def _encrypt(row: Credential, fields: Fields) -> None:
    # Contains the row's id, so that a copy in another row or workspace cannot be decrypted.
    row.data = encryption.encrypt(orjson.dumps({"credential": str(row.pk), "fields": fields.model_dump()}))
    row.key = encryption.current_key()
    row.fields_set = sorted(name for name, value in fields.model_dump().items() if value)


def _open(row: Credential) -> Fields:
    """Return the fields. Raises encryption.CannotDecrypt."""
    document = orjson.loads(encryption.decrypt(bytes(row.data)))
    if document["credential"] != str(row.pk):
        raise encryption.CannotDecrypt(encryption.CannotDecrypt.__doc__)
    return read_fields(row.type, document["fields"])


def rotate(chunk: int = 200, after: UUID | None = None) -> tuple[int, list[UUID], UUID | None]:
    """Re-encrypt the next `chunk` rows that are not encrypted with the current key, in one transaction.

    Returns (the number of rows, the ids of rows that no key decrypts, the last id processed or None at the end). An
    interrupted rotation can be continued.
    """
    with transaction.atomic():
        rows = Credential.objects.select_for_update().exclude(key=encryption.current_key()).order_by("pk")
        batch = list((rows.filter(pk__gt=after) if after else rows)[:chunk])
        changed, lost = [], []
        for row in batch:
            try:
                row.data = encryption.encrypt_anew(bytes(row.data))
            except encryption.CannotDecrypt:
                lost.append(row.pk)
                continue
            row.key = encryption.current_key()
            changed.append(row)
        Credential.objects.bulk_update(changed, ["data", "key"])
    return len(changed), lost, batch[-1].pk if batch else None


# --- in use ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class OpenCredential:
    """A decrypted credential. Lives as long as the node run that uses it."""

    id: UUID
    name: str
    allowed_hosts: list[str]
    version: str
    """Changes with the encrypted data, so that tokens of old secrets are not used."""
    fields: Fields = field(repr=False)
    cancelled: threading.Event | None = None
    tokens: list[str] = field(default_factory=list, repr=False)
    renewed_at: float | None = None
    binding: HostBinding | None = None
    """Notes where a node run sends it, and may allow fewer hosts."""

    def secrets(self) -> list[str]:
        """Return the secrets to redact: those of the credential, and the tokens fetched with it."""
        return [*self.fields.secrets(), *self.tokens]

    def apply(self, url: str, headers: dict[str, str], query: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Return headers and query with the authentication added, which overrides the node's own. Raises NodeError if
        the host is not allowed or no token can be fetched."""
        self._check_host(url)
        if isinstance(self.fields, OAuth2ClientCredentials):
            if not self.tokens:
                self._fetch(refused=None)
            auth_headers, auth_query = {"Authorization": f"Bearer {self.tokens[-1]}"}, {}
        elif not self.fields.for_requests:
            raise NodeError(f"The credential {self.name!r} ({self.fields.label}) cannot authenticate HTTP requests.")
        else:
            parts = self.fields.parts()
            auth_headers, auth_query = parts.headers, parts.query
        auth_names = {name.lower() for name in auth_headers}
        return {
            name: value for name, value in headers.items() if name.lower() not in auth_names
        } | auth_headers, query | auth_query

    def fields_as(self, kind: type[Fields]) -> Fields:
        """Return the fields if the credential is of the given type. Raises NodeError."""
        if not isinstance(self.fields, kind):
            required = next(name for name, known in CREDENTIAL_TYPES.items() if known is kind)
            raise NodeError(f"The credential {self.name!r} is not of the type {required}.")
        return self.fields

    def check_host(self, host: str) -> None:
        """Raise NodeError if the credential must not be sent to the host."""
        host = host.lower()
        if self.allowed_hosts and not any(
            host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:]))
            for allowed in self.allowed_hosts
        ):
            raise NodeError(
                f"The credential {self.name!r} may only be sent to {', '.join(self.allowed_hosts)}, not to {host!r}."
            )
        if self.binding is not None:
            self.binding.check(str(self.id), self.name, host, has_list=bool(self.allowed_hosts))

    def fetch_token(self) -> None:
        """Fetch a new token to test the credential. Raises NodeError."""
        self._fetch(refused=None, fresh=True)

    def renew(self) -> bool:
        """Fetch a new token to replace a rejected one. False if the credential has no token or was renewed within
        RENEWAL_SECONDS, so that a server that rejects every token does not cause a fetch per item."""
        now = time.monotonic()
        recent = self.renewed_at is not None and now - self.renewed_at < RENEWAL_SECONDS
        if not isinstance(self.fields, OAuth2ClientCredentials) or not self.tokens or recent:
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


def open_for_node(
    workspace_id: UUID,
    reference: str,
    cancelled: threading.Event | None = None,
    *,
    binding: HostBinding | None = None,
) -> OpenCredential:
    """Return the workspace's credential with this name or id, decrypted. Raises NodeError."""
    try:
        row = Credential.objects.filter(workspace=workspace_id).called(reference).first()
        if row is None:
            raise NodeError(f"There is no credential {reference!r} in the workflow's workspace.")
        note_use(row)
        credential = opened(row, cancelled)
        credential.binding = binding
        return credential
    except (DatabaseError, InterfaceError):
        raise NodeError("The credential could not be loaded: the database did not respond.", retryable=True) from None
    finally:
        if not connection.in_atomic_block:
            connection.close()  # a node may run for long, in a separate thread


def mark(workspace_id: UUID, reference: str) -> list[str]:
    """Return a value that changes with the credential: its id and time of change. Raises NodeError."""
    try:
        row = Credential.objects.filter(workspace=workspace_id).called(reference).only("updated_at").first()
    except (DatabaseError, InterfaceError):
        raise NodeError("The credential could not be loaded: the database did not respond.", retryable=True) from None
    finally:
        if not connection.in_atomic_block:
            connection.close()
    if row is None:
        raise NodeError(f"There is no credential {reference!r} in the workflow's workspace.")
    return [str(row.pk), row.updated_at.isoformat()]


def opened(row: Credential, cancelled: threading.Event | None = None) -> OpenCredential:
    """Return the credential, decrypted. Raises NodeError if no key decrypts it."""
    try:
        fields = _open(row)
    except (encryption.CannotDecrypt, BadFields):
        raise NodeError(f"The credential {row.name!r} cannot be decrypted with any key of CREDENTIAL_KEYS.") from None
    version = hashlib.sha256(bytes(row.data)).hexdigest()[:16]
    return OpenCredential(row.pk, row.name, list(row.allowed_hosts), version, fields, cancelled)
