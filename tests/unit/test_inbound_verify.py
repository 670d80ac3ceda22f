"""Who calls a webhook: each scheme with what its senders document, and with whatever else may come."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from standardwebhooks import Webhook

from webhooks.inbound.schemes import Scheme
from webhooks.inbound.verify import (
    AuthenticationFailed,
    SignedRequest,
    UnusableSecret,
    VerifiedRequest,
    authenticating_headers,
    verify,
)

NOW = 1_731_705_121.0
SCHEME: TypeAdapter[Scheme] = TypeAdapter(Scheme)
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
STANDARD_BODY = b'{"event_type":"ping","data":{"success":true}}'
STANDARD = {
    "webhook-id": "msg_loFOjxBNrRLzqYUf",
    "webhook-timestamp": "1731705121",
    "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
}
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack."
    b"com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc"
    b"887a14d10d2c447fce8b6703c"
)


def scheme(type_: str, **further: Any) -> Scheme:
    named = {} if type_ == "none" else {"credential": "c"}
    return SCHEME.validate_python({"type": type_} | named | further)


def check(
    type_: str,
    headers: dict[str, str],
    body: bytes = b"",
    secrets: Any = ({"secret": "s" * 20},),
    now: float = NOW,
    **further: Any,
) -> VerifiedRequest:
    return verify(scheme(type_, **further), secrets, SignedRequest(headers, body, now))


def digest(secret: str, content: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), content, algorithm).hexdigest()


def test_the_known_answer_of_standard_webhooks_is_right() -> None:
    known = [{"secret": SECRET}]
    assert check("standard_webhooks", STANDARD, STANDARD_BODY, known) == VerifiedRequest("msg_loFOjxBNrRLzqYUf")
    svix = {name.replace("webhook", "svix"): value for name, value in STANDARD.items()}
    assert check("standard_webhooks", svix, STANDARD_BODY, known).message_id == "msg_loFOjxBNrRLzqYUf"


def test_what_an_independent_library_signs_is_right() -> None:
    moment = datetime.fromtimestamp(NOW, tz=UTC)
    signature = Webhook(SECRET).sign("msg_1", moment, STANDARD_BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW)), "webhook-signature": signature}
    assert check("standard_webhooks", headers, STANDARD_BODY, [{"secret": SECRET}]).message_id == "msg_1"


@pytest.mark.parametrize("name", list(STANDARD))
def test_standard_webhooks_need_all_three_headers_as_they_were_signed(name: str) -> None:
    missing = {each: value for each, value in STANDARD.items() if each != name}
    with pytest.raises(AuthenticationFailed, match=f"The header {name} is missing"):
        check("standard_webhooks", missing, STANDARD_BODY, [{"secret": SECRET}])
    with pytest.raises(AuthenticationFailed, match="signature is wrong"):
        check("standard_webhooks", STANDARD | {name: f"{STANDARD[name]}1"}, STANDARD_BODY, [{"secret": SECRET}])


def test_while_secrets_rotate_each_of_them_signs() -> None:
    other = {"secret": "whsec_" + base64.b64encode(b"another secret of ours").decode(), "previous": SECRET}
    signatures = "v1,AAAA v2,what " + STANDARD["webhook-signature"]
    rotating = STANDARD | {"webhook-signature": signatures}
    assert check("standard_webhooks", rotating, STANDARD_BODY, [other]).message_id
    assert check(
        "standard_webhooks", rotating, STANDARD_BODY, [other | {"previous": ""}, {"secret": SECRET}]
    ).message_id
    with pytest.raises(AuthenticationFailed, match="signature is wrong"):
        check("standard_webhooks", rotating, STANDARD_BODY, [other | {"previous": ""}])


def test_an_asymmetric_signature_is_checked_with_the_public_key() -> None:
    key = Ed25519PrivateKey.generate()
    public = [{"secret": "whpk_" + base64.b64encode(key.public_key().public_bytes_raw()).decode()}]
    signature = base64.b64encode(key.sign(b"msg_1.1731705121." + STANDARD_BODY)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1731705121", "webhook-signature": f"v1a,{signature}"}
    assert check("standard_webhooks", headers, STANDARD_BODY, public).message_id == "msg_1"
    for bad in (f"v1,{signature}", "v1a,%%", f"v1a,{signature[:-8]}AAAAAAA="):
        with pytest.raises(AuthenticationFailed):
            check("standard_webhooks", headers | {"webhook-signature": bad}, STANDARD_BODY, public)


@pytest.mark.parametrize("secret", ["whsec_%%%", "whsec_AAAA", "whpk_AAAA", "whsk_AAAA", "not base 64"])
def test_a_secret_that_is_none_lets_nobody_in(secret: str) -> None:
    with pytest.raises(UnusableSecret):
        check("standard_webhooks", STANDARD, STANDARD_BODY, [{"secret": secret}])


@pytest.mark.parametrize(("late", "said"), [(301, "301 s old; 300 s"), (-301, "301 s in the future"), (300, "")])
def test_what_is_too_late_or_too_early_is_refused(late: int, said: str) -> None:
    known = [{"secret": SECRET}]
    if not said:
        assert check("standard_webhooks", STANDARD, STANDARD_BODY, known, now=NOW + late)
        return
    with pytest.raises(AuthenticationFailed, match=said):
        check("standard_webhooks", STANDARD, STANDARD_BODY, known, now=NOW + late)
    assert check("standard_webhooks", STANDARD, STANDARD_BODY, known, now=NOW + late, tolerance_seconds=400)


def test_githubs_documented_signature_is_right() -> None:
    headers = {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    }
    known = [{"secret": "It's a Secret to Everybody"}]
    assert check("github", headers, b"Hello, World!", known).message_id == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    with pytest.raises(AuthenticationFailed, match="signature is wrong"):
        check("github", headers, b"Hello, World?", known)
    with pytest.raises(AuthenticationFailed, match="X-Hub-Signature-256 is missing"):
        check("github", {"x-hub-signature": "sha1=1"}, b"Hello, World!", known)


def test_slacks_documented_signature_is_right() -> None:
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    known = [{"secret": "8f742231b10e8888abcd99yyyzzz85a5"}]
    assert check("slack", headers, SLACK_BODY, known, now=1531420618) == VerifiedRequest()
    with pytest.raises(AuthenticationFailed, match="s old"):
        check("slack", headers, SLACK_BODY, known)


def test_slacks_check_of_the_url_is_answered_once_it_is_proved() -> None:
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw", "token": "x"}).encode()
    stamp = str(int(NOW))
    headers = {
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": "v0=" + digest("s" * 20, f"v0:{stamp}:".encode() + body),
    }
    assert check("slack", headers, body).answer == {"challenge": "3eZbrw"}
    with pytest.raises(AuthenticationFailed):
        check("slack", headers, body + b" ")


def test_stripe_signs_timestamp_and_body_and_may_sign_twice() -> None:
    body, stamp = b'{"id": "evt_1", "type": "charge.succeeded"}', str(int(NOW))
    right = digest("whsec_of_stripe", f"{stamp}.".encode() + body)
    known = [{"secret": "whsec_of_stripe"}]
    for value in (f"t={stamp},v1={right},v0=old", f"t={stamp}, v1={'0' * 64}, v1={right}"):
        assert check("stripe", {"stripe-signature": value}, body, known).message_id == "evt_1"
    for value in (f"t={stamp},v1={'0' * 64}", f"v1={right}", f"t={stamp}", f"t={stamp}1,v1={right}", "garbage", "t,v1"):
        with pytest.raises(AuthenticationFailed):
            check("stripe", {"stripe-signature": value}, body, known)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_generic_signature_is_what_the_trigger_says(algorithm: str, encoding: str) -> None:
    stamp = str(int(NOW * 1000))
    raw = hmac.new(b"s" * 20, f"{stamp}:".encode() + b"body", algorithm).digest()
    value = raw.hex().upper() if encoding == "hex" else base64.b64encode(raw).decode()
    further = {
        "header": "X-My-Signature", "algorithm": algorithm, "encoding": encoding, "prefix": "sig ",
        "timestamp_header": "X-Time", "separator": ":", "id_header": "X-Id",
    }  # fmt: skip
    headers = {"x-my-signature": f"sig {value}", "x-time": stamp, "x-id": "7"}
    assert check("hmac", headers, b"body", **further) == VerifiedRequest("7")
    with pytest.raises(AuthenticationFailed, match="does not begin with"):
        check("hmac", headers | {"x-my-signature": value}, b"body", **further)
    with pytest.raises(AuthenticationFailed, match="X-Id is missing"):
        check("hmac", {**headers, "x-id": ""}, b"body", **further)
    with pytest.raises(AuthenticationFailed, match="signature is wrong"):
        check("hmac", headers, b"other", **further)
    assert authenticating_headers(scheme("hmac", **further), []) == {"x-my-signature"}


def test_basic_bearer_and_header_compare_what_is_sent() -> None:
    def basic(text: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    ada = [{"username": "Ada", "password": "pä:ß"}]
    assert check("basic", basic("Ada:pä:ß"), b"", ada) == VerifiedRequest()
    for wrong in (basic("Ada:pä"), basic("ada:pä:ß"), {}, {"authorization": "Basic !"}, {"authorization": "Bearer x"}):
        with pytest.raises(AuthenticationFailed) as refusal:
            check("basic", wrong, b"", ada)
        assert refusal.value.challenge.startswith("Basic")
    token = [{"token": "old"}, {"token": "new"}]
    assert check(
        "bearer", {"authorization": "bearer new", "x-id": "1"}, b"", token, id_header="X-Id"
    ) == VerifiedRequest("1")
    with pytest.raises(AuthenticationFailed, match="token is wrong"):
        check("bearer", {"authorization": "Bearer newer"}, b"", token)
    key = [{"name": "X-Key", "value": "abc"}]
    assert check("header", {"x-key": "abc"}, b"", key) == VerifiedRequest()
    assert authenticating_headers(scheme("header"), key) == {"x-key"}
    with pytest.raises(AuthenticationFailed, match="X-Key is wrong"):
        check("header", {"x-key": "abcd"}, b"", key)
    with pytest.raises(AuthenticationFailed, match="X-Key is missing"):
        check("header", {}, b"", key)


def test_an_id_that_is_too_long_still_tells_repetitions() -> None:
    body = b"x"
    signed = {"x-hub-signature-256": f"sha256={digest('s' * 20, body)}"}
    first, again, other = (
        check("github", signed | {"x-github-delivery": "a" * 300 + end}, body).message_id for end in ("1", "1", "2")
    )
    assert first == again != other
    assert len(first) <= 200


TYPES = ["basic", "bearer", "header", "standard_webhooks", "github", "stripe", "slack", "hmac"]
KNOWN = [
    {"secret": SECRET, "previous": "", "username": "u", "password": "p", "token": "t", "name": "X-Key", "value": "v"}
]
NAMES = st.sampled_from(
    ["authorization", "x-key", "webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256",
     "x-github-delivery", "stripe-signature", "x-slack-signature", "x-slack-request-timestamp", "x-signature"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255)),
    st.sampled_from(
        ["t=1,v1=", "t=9999999999999999999999,v1=aa", "v0=", "Basic " + "A" * 7, "Bearer ", "v1,", "v1a,AA"]
    ),
)


@given(st.sampled_from(TYPES), st.dictionaries(NAMES, VALUES), st.binary(max_size=200))
def test_whatever_comes_is_refused_and_never_an_error(type_: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(AuthenticationFailed):
        check(type_, headers, body, KNOWN)


@given(st.binary(max_size=300), st.text(min_size=8), st.integers(0, 7))
def test_one_changed_bit_of_a_signed_body_is_noticed(body: bytes, secret: str, bit: int) -> None:
    secret = secret.replace("\ud800", "x").encode("utf-8", "replace").decode()
    signed = {"x-hub-signature-256": f"sha256={digest(secret, body)}"}
    assert check("github", signed, body, [{"secret": secret}]) == VerifiedRequest()
    changed = bytes([*body[:-1], body[-1] ^ (1 << bit)]) if body else b"x"
    with pytest.raises(AuthenticationFailed):
        check("github", signed, changed, [{"secret": secret}])


def test_a_secret_is_in_no_message() -> None:
    with pytest.raises(AuthenticationFailed) as refusal:
        check("github", {"x-hub-signature-256": "sha256=00"}, b"", [{"secret": "very secret indeed"}])
    assert "very secret" not in repr(refusal.value)
    assert hashlib.sha256(b"").hexdigest() not in repr(refusal.value)
