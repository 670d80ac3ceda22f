"""`Idempotency-Key` on POSTs that create: a repeated request within a day gets the object of the first one.

The key is taken in the transaction that creates the object, so that there is either both or neither; a request that
arrives while the first is running waits for that transaction's end.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import orjson
from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from workflow_platform.core.accounts.models import IdempotentRequest, User

HEADER = "Idempotency-Key"
LIFETIME = timedelta(hours=24)
KEY = re.compile(r"[\x21-\x7e]{1,200}")
SWEEP_LIMIT = 1_000
PARAMETER = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    pattern=r"^[\x21-\x7e]{1,200}$",
    description="1 to 200 visible ASCII characters. The same key with the same body returns, for 24 hours, what the "
    "first request created; with another body it is rejected (422).",
)

M = TypeVar("M", bound=models.Model)


class KeyRefused(APIException):
    """The key is malformed, or was used for another request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{HEADER}: {message}")
        self.status_code = status
        self.errors = [{"field": HEADER, "message": message, "code": "idempotency_key"}]


def create_once(request: Request, find: Callable[[str], M | None], create: Callable[[], M]) -> tuple[M, bool]:
    """Return the object that `create` creates, or has created for the same request within the last 24 hours, and
    whether it is new.

    `find` returns the object with an id, None where the caller may not see it or it is gone. Without the header every
    call creates. Raises KeyRefused: 400 for a malformed key, 422 if the key was used with another body, 409 if the
    object that it created is gone.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return create(), True
    if not KEY.fullmatch(key):
        raise KeyRefused(400, "a key must have 1 to 200 visible ASCII characters.")
    if not isinstance(request.user, User):
        raise TypeError("the view lets anonymous callers in")
    path, digest = request.path[:200], _digest(request)
    with transaction.atomic():
        _wait_for_turn(request.user, path, key)
        stored = IdempotentRequest.objects.filter(user=request.user, path=path, key=key).first()
        if stored is not None and stored.created_at > timezone.now() - LIFETIME:
            return _again(stored, digest, find), False
        if stored is not None:
            stored.delete()
        made = create()
        IdempotentRequest.objects.create(user=request.user, path=path, key=key, digest=digest, object_id=str(made.pk))
    return made, True


def _wait_for_turn(user: User, path: str, key: str) -> None:
    """Block other requests with the key until the transaction ends."""
    name = hashlib.sha256(f"{user.pk}\n{path}\n{key}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(name[:8], signed=True)])


def _again(stored: IdempotentRequest, digest: str, find: Callable[[str], M | None]) -> M:
    if stored.digest != digest:
        raise KeyRefused(422, "this key was used with another body; use a new key for a new request.")
    row = find(stored.object_id)
    if row is None:
        raise KeyRefused(
            409,
            "the object that the first request with this key created no longer exists, or you may no longer see it.",
        )
    return row


def _digest(request: Request) -> str:
    """Return the digest of the body, regardless of spaces and the order of fields.

    It is keyed, since the body may contain a secret that is easy to guess.
    """
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    return hmac.new(settings.SECRET_KEY.encode(), body, hashlib.sha256).hexdigest()


def sweep() -> int:
    """Forget keys that have run out. Returns how many."""
    old = IdempotentRequest.objects.filter(created_at__lte=timezone.now() - LIFETIME).order_by("created_at")
    count, _ = IdempotentRequest.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEEP_LIMIT])).delete()
    return count
