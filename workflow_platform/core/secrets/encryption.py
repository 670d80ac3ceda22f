"""Secrets at rest: Fernet (AES-128-CBC, HMAC-SHA256) under the keys of CREDENTIAL_KEYS.

The first key encrypts, all of them decrypt. A key derived from SECRET_KEY is always last: it serves where
CREDENTIAL_KEYS is unset, and still opens what it closed once the variable is set.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_INFO = b"workflow-platform: credentials at rest"


class CannotDecrypt(Exception):
    """No key of CREDENTIAL_KEYS, nor the one of SECRET_KEY, opens this."""


def encrypt(plain: bytes) -> bytes:
    """Return `plain` encrypted with the first key."""
    return _fernet()[0].encrypt(plain)


def decrypt(token: bytes) -> bytes:
    """Return the decrypted text. Raises CannotDecrypt."""
    try:
        return _fernet()[0].decrypt(token)
    except InvalidToken:
        raise CannotDecrypt(CannotDecrypt.__doc__) from None


def encrypt_anew(token: bytes) -> bytes:
    """Return the same secret encrypted with the first key. Raises CannotDecrypt."""
    try:
        return _fernet()[0].rotate(token)
    except InvalidToken:
        raise CannotDecrypt(CannotDecrypt.__doc__) from None


def is_current(token: bytes) -> bool:
    """Return whether it is encrypted with the first key."""
    try:
        _fernet()[2].decrypt(token)
    except InvalidToken:
        return False
    return True


def current_key() -> str:
    """Return a fingerprint of the first key, which identifies rows with other keys and does not reveal the key."""
    return _fernet()[1]


def _fernet() -> tuple[MultiFernet, str, Fernet]:
    return _made_of(tuple(settings.CREDENTIAL_KEYS), settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _made_of(keys: tuple[str, ...], secret_key: str) -> tuple[MultiFernet, str, Fernet]:
    derived = base64.urlsafe_b64encode(HKDF(SHA256(), 32, None, _INFO).derive(secret_key.encode()))
    all_keys = [*(key.encode() for key in keys), derived]
    fernets = [Fernet(key) for key in all_keys]
    return MultiFernet(fernets), hashlib.sha256(all_keys[0]).hexdigest()[:16], fernets[0]
