"""Signatures that others verify, and those of others that we verify."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks import signing
from webhooks.signing import BadSecret, BadSignature

SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
ID, AT = "msg_loFOjxBNrRLzqYUf", 1731705121
SIGNATURE = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def headers(signature: str, at: int | str = AT, message_id: str = ID) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature}


def test_the_known_answer_comes_out() -> None:
    assert signing.sign([SECRET], ID, AT, BODY) == SIGNATURE
    assert signing.verify([SECRET], headers(SIGNATURE), BODY, now=AT + 100) == ID


@given(st.text(max_size=200))
def test_an_independent_library_verifies_what_is_signed_and_the_other_way_round(text: str) -> None:
    secret, now, body = signing.new_secret("v1"), int(time.time()), text.encode()
    Webhook(secret).verify(body, headers(signing.sign([secret], ID, now, body), now), json_parse=False)
    theirs = Webhook(secret).sign(ID, datetime.fromtimestamp(now, UTC), text)
    assert signing.verify([secret], headers(theirs, now), body) == ID
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b"x", headers(signing.sign([secret], ID, now, body), now), json_parse=False)


def test_while_secrets_rotate_receivers_with_either_verify_it() -> None:
    old, new, now = signing.new_secret("v1"), signing.new_secret("v1"), int(time.time())
    both = headers(signing.sign([new, old], ID, now, BODY), now)
    for secret in (old, new):
        Webhook(secret).verify(BODY, both)
        assert signing.verify([secret], both, BODY) == ID


def test_ed25519_is_verified_with_the_public_half_alone() -> None:
    secret, now = signing.new_secret("v1a"), int(time.time())
    public = signing.public_key(secret)
    signed = headers(signing.sign([secret, SECRET], ID, now, BODY), now)
    assert signed["webhook-signature"].startswith("v1a,")
    assert signing.verify([public], signed, BODY) == signing.verify([SECRET], signed, BODY) == ID
    # By hand, as somebody without this code would do it.
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix("whsk_"))).public_key()
    value = signed["webhook-signature"].split(" ")[0].removeprefix("v1a,")
    key.verify(base64.b64decode(value), f"{ID}.{now}.".encode() + BODY)
    with pytest.raises(BadSignature):
        signing.verify([signing.public_key(signing.new_secret("v1a"))], signed, BODY)


@pytest.mark.parametrize(
    ("changed", "body", "said"),
    [
        ({"webhook-id": "msg_other"}, BODY, "The signature is wrong"),
        ({}, BODY + b" ", "The signature is wrong"),
        ({"webhook-timestamp": str(AT + 1)}, BODY, "The signature is wrong"),
        ({"webhook-signature": SIGNATURE.replace("v1,", "v1a,")}, BODY, "The signature is wrong"),
        ({"webhook-signature": "v1," + "é" * 20}, BODY, "The signature is wrong"),
        ({"webhook-signature": "v1 " * 1000 + SIGNATURE}, BODY, "The signature is wrong"),
        ({"webhook-timestamp": str(AT - 400)}, BODY, "too old"),
        ({"webhook-timestamp": str(AT + 400)}, BODY, "future"),
        ({"webhook-timestamp": "1e9"}, BODY, "not a number"),
        ({"webhook-timestamp": "٣"}, BODY, "not a number"),
        ({"webhook-id": ""}, BODY, "webhook-id is missing"),
        ({"webhook-signature": ""}, BODY, "webhook-signature is missing"),
    ],
)
def test_what_was_changed_or_is_too_old_is_refused(changed: dict[str, str], body: bytes, said: str) -> None:
    with pytest.raises(BadSignature, match=said):
        signing.verify([SECRET], headers(SIGNATURE) | changed, body, now=AT)


def test_a_secret_that_is_none_is_told_and_not_shown() -> None:
    for bad in ("whsec_!!!!", "whsec_AAAA", "whsk_" + "A" * 20, "whpk_abc", "too short", "whsec_" + "A" * 400):
        with pytest.raises(BadSecret) as raised:
            signing.check_secret(bad)
        assert bad not in str(raised.value)
    assert [signing.check_secret(signing.new_secret(kind)) for kind in ("v1", "v1a")] == ["v1", "v1a"]  # type: ignore[arg-type]
    assert signing.check_secret(signing.public_key(signing.new_secret("v1a"))) == "v1a"


@pytest.mark.parametrize("size", [1, 15, 16, 64, 65, 200])
def test_a_key_of_any_length_signs_as_hmac_does_with_it(size: int) -> None:
    key = bytes(range(1, size + 1))
    digest = hmac.new(key, b"msg_1.1700000000.{}", hashlib.sha256).digest()
    signature = signing.sign([signing.secret_of(key)], "msg_1", 1_700_000_000, b"{}")
    assert signature == "v1," + base64.b64encode(digest).decode()
