from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from executions.domain.binaries import with_files
from executions.domain.errors import NodeError
from executions.nodes.exchanges import Exchanges
from executions.nodes.send_email import SMTP_BACKEND
from tests.filing import HeldFiles
from tests.unit.nodes.running import run, run_in_context
from workflow_platform.installation.embedded import free_port

MESSAGE = {"from": "Robot <robot@example.com>", "to": "ann@example.com", "subject": "Hello", "text": "Hi"}


class Mailbox:
    """Takes mail as an SMTP server does; refuses what it is told to."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse = ""

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        contents = [envelope.content for envelope in self.envelopes]
        return [message_from_bytes(c, policy=policy.default) for c in contents if isinstance(c, bytes)]  # type: ignore[misc]


def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=data.login == b"robot" and data.password == b"right", handled=False)


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Controller(
        box, hostname="127.0.0.1", port=free_port(), authenticator=login, auth_require_tls=False, auth_required=False
    )
    controller.start()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP_BACKEND, "127.0.0.1", controller.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = ""
    yield box
    controller.stop()


def test_a_message_for_each_item_arrives(mailbox: Mailbox) -> None:
    given = MESSAGE | {"to": "{{ $json.to }}", "cc": ['"Bob, Jr." <bob@example.com>'], "bcc": "eve@example.com"}
    given |= {"html": "<b>Hi ü</b>", "headers": {"X-Ticket": "7"}, "reply_to": "help@example.com"}
    result = run("send_email", {"to": "a@example.com, Ä <b@example.com>"}, {"to": ["c@example.com"]}, **given)
    first, second = mailbox.messages
    assert mailbox.envelopes[0].rcpt_tos == ["a@example.com", "b@example.com", "bob@example.com", "eve@example.com"]
    assert first["to"] == "a@example.com, Ä <b@example.com>"
    assert first["cc"].addresses[0].display_name == "Bob, Jr."
    assert (first["subject"], first["x-ticket"], first["bcc"]) == ("Hello", "7", None)
    assert [part.get_content().strip() for part in first.iter_parts()] == ["Hi", "<b>Hi ü</b>"]
    assert second["to"] == "c@example.com"
    assert [item["message_id"] for item in result.outputs["main"]] == [first["message-id"], second["message-id"]]


@pytest.mark.parametrize(
    ("to", "recipients", "header"),
    [
        ('"Ä, Ann" <ann@example.com>, bob@example.com,', "ann bob", '"Ä, Ann" <ann@example.com>, bob@example.com'),
        ("ann@example.com\r\n bob@example.com\n\n", "ann bob", "ann@example.com, bob@example.com"),
        ("Ann <ann@example.com>; bob@example.com;", "ann bob", "Ann <ann@example.com>, bob@example.com"),
        (["ann@example.com,", "", " bob@example.com\u00a0"], "ann bob", "ann@example.com, bob@example.com"),
        ("ann@example.com (Ann; the boss)", "ann", '"Ann; the boss" <ann@example.com>'),
        ('"a <b>, \\"c\\"" <ann@example.com>\t(x)', "ann", '"a <b>, \\"c\\"" <ann@example.com>'),
    ],
    ids=range(6),
)  # fmt: skip
def test_lists_of_addresses_are_read_as_people_write_them(
    mailbox: Mailbox, to: Any, recipients: str, header: str
) -> None:
    run("send_email", {}, **(MESSAGE | {"to": to}))
    assert mailbox.envelopes[0].rcpt_tos == [f"{name}@example.com" for name in recipients.split()]
    assert mailbox.messages[0]["to"] == header


def test_an_address_that_is_wrong_is_named_with_its_part() -> None:
    with pytest.raises(NodeError, match=r"parameters\.cc: 'Müller' is not an email address \(item 0\).*double quotes"):
        run("send_email", {}, **(MESSAGE | {"cc": "bob@example.com, Müller, Ann <ann@example.com>"}))


def test_what_expressions_find_is_taken_as_text(mailbox: Mailbox) -> None:
    given = MESSAGE | {
        "cc": "{{ $json.none }}",
        "subject": "{{ $json.n }}",
        "text": "{{ 1.5 }}",
        "attachments": "{{ null }}",
    }
    run("send_email", {"n": 7}, {"n": " Hello\r\n"}, **given)
    first, second = mailbox.messages
    assert (first["subject"], second["subject"]) == ("7", "Hello")
    assert first.get_content().strip() == "1.5"


def test_files_are_sent_with_exactly_their_bytes(mailbox: Mailbox) -> None:
    files = [
        {"filename": "ä.txt", "content_type": "text/plain", "base64": "w6QNCgo=", "size": 5},
        {"filename": "C:\\x\\latin.csv", "base64": "5A"},
        {"filename": "mail.eml", "content_type": "message/rfc822", "base64": "AA_-"},
        {"content_type": "application/pdf; x=y", "base64": "JVBE\nRg=="},
    ]
    run("send_email", {"files": files}, **(MESSAGE | {"attachments": "{{ $json.files }}", "html": "<b>Hi</b>"}))
    run("send_email", {"file": files[0]}, **(MESSAGE | {"attachments": "{{ $json.file }}"}))
    message, single = mailbox.messages
    parts = list(message.iter_attachments())
    assert [(part.get_filename(), part.get_content_type(), part.get_payload(decode=True)) for part in parts] == [
        ("ä.txt", "text/plain", b"\xc3\xa4\r\n\n"),
        ("latin.csv", "text/csv", b"\xe4"),
        ("mail.eml", "application/octet-stream", b"\x00\x0f\xfe"),
        ("attachment-4.pdf", "application/pdf", b"%PDF"),
    ]
    assert [part.get_content_charset() for part in parts[:2]] == ["utf-8", None]
    body = message.get_body()
    assert body is not None
    assert body.get_content().strip() == "<b>Hi</b>"
    assert [part.get_filename() for part in single.iter_attachments()] == ["ä.txt"]


@pytest.mark.parametrize(
    ("attachments", "said"),
    [
        ([{"base64": "=A"}], r"attachments\[0\]\.base64: is not base64 \(item 1\)"),
        ([{"base64": "ä"}], r"attachments\[0\]\.base64: is not base64"),
        ([{"filename": "a"}], r"attachments.*base64"),
        ([{"base64": "", "filename": "a\nb"}], r"attachments\[0\]\.filename: must be one line"),
        ([{"base64": "", "content_type": "text\n/html"}], r"attachments\[0\]\.content_type: .* is no type"),
        ([{"base64": "AAAA" * 1_250_000}] * 3, "more than 10000000 bytes"),
        ([{"base64": ""}] * 51, r"attachments"),
    ],
    ids=range(7),
)
def test_files_that_cannot_be_sent_are_named_before_anything_is_sent(
    mailbox: Mailbox, attachments: Any, said: str
) -> None:
    given = MESSAGE | {"attachments": "{{ $json.files }}"}
    with pytest.raises(NodeError, match=said):
        run("send_email", {"files": []}, {"files": attachments}, **given)
    assert mailbox.envelopes == []


def test_the_same_item_of_the_same_run_has_the_same_id_when_it_is_sent_again(mailbox: Mailbox) -> None:
    run("send_email", {}, {}, **MESSAGE)
    run("send_email", {}, {}, **MESSAGE)
    ids = [message["message-id"] for message in mailbox.messages]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"subject": "a\r\nBcc: eve@example.com"}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"to": "ann@example.com\nBcc: eve@example.com"}, "to"),
        ({"from": "Robot\r\n <robot@example.com>"}, "from"),
        ({"headers": {"X-A": "1\r\nBcc: eve@example.com"}}, r"headers\.X-A"),
        ({"headers": {"X-A: 1\r\nBcc": "eve@example.com"}}, "headers"),
        ({"headers": {"Bcc": "eve@example.com"}}, "headers"),
        ({"headers": {"content-type": "text/html"}}, "headers"),
        ({"to": "nobody"}, "to"),
        ({"to": ""}, "to"),
        ({"to": [f"a{n}@example.com" for n in range(101)]}, "to"),
        ({"from": ""}, "from"),
        ({"cc": "a@example.com, @"}, "cc"),
    ],
    ids=str,
)
def test_what_would_be_another_message_is_refused(mailbox: Mailbox, parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(NodeError, match=rf"parameters\.{field}: .*\(item 0\)") as raised:
        run("send_email", {}, **(MESSAGE | parameters))
    assert not raised.value.retryable
    assert mailbox.envelopes == []


def test_nothing_is_sent_if_one_item_is_wrong(mailbox: Mailbox) -> None:
    with pytest.raises(NodeError, match=r"\(item 1\)"):
        run("send_email", {"to": "a@example.com"}, {"to": "b"}, **(MESSAGE | {"to": "{{ $json.to }}"}))
    assert mailbox.envelopes == []


def test_the_operator_sets_the_sender(mailbox: Mailbox, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "robot@example.org"
    assert run("send_email", {}, **(MESSAGE | {"from": ""})).outputs["main"][0]["from"] == "robot@example.org"


@pytest.mark.parametrize(("refuse", "retryable"), [("451 later", True), ("550 no such user", False)])
def test_what_the_server_refuses_for_now_can_be_tried_again(mailbox: Mailbox, refuse: str, retryable: bool) -> None:
    mailbox.refuse = refuse
    with pytest.raises(NodeError, match=r"rejected ann@example\.com") as raised:
        run("send_email", {}, **MESSAGE)
    assert raised.value.retryable is retryable
    response = raised.value.response or {}
    code, _, said = refuse.partition(" ")
    assert (response["status"], response["body"]) == (int(code), f"ann@example.com: {code} {said}")


def test_a_message_is_recorded_without_its_id(mailbox: Mailbox) -> None:
    digests = set()
    for key in ("one", "two"):
        exchanges = Exchanges()
        context = {"exchanges": exchanges, "idempotency_key": key}
        run_in_context("send_email", {"main": [{}]}, context, **(MESSAGE | {"cc": "bob@example.com"}))
        (entry,) = (exchanges.data() or {})["exchanges"]
        assert (entry["request"]["subject"], entry["request"]["cc"]) == ("Hello", ["bob@example.com"])
        assert entry["answer"] == {"accepted": ["ann@example.com", "bob@example.com"], "truncated": False}
        digests.add(exchanges.request_digest())
    assert len(digests) == 1


def test_a_server_that_is_not_there_can_be_tried_again(mailbox: Mailbox, settings: Any) -> None:
    settings.EMAIL_PORT = free_port()
    with pytest.raises(NodeError, match="EMAIL_URL") as raised:
        run("send_email", {}, **MESSAGE)
    assert raised.value.retryable


@pytest.mark.parametrize("password", ["right", "wrong-and-secret"])
def test_a_login_is_made_and_a_refused_one_is_said_without_the_password(
    mailbox: Mailbox, settings: Any, password: str
) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "robot", password
    if password == "right":
        run("send_email", {}, **MESSAGE)
        assert len(mailbox.envelopes) == 1
        return
    with pytest.raises(NodeError, match=r"login of EMAIL_URL \(code 535\)") as raised:
        run("send_email", {}, **MESSAGE)
    assert password not in str(raised.value)
    assert not raised.value.retryable


def test_a_server_without_starttls_gets_nothing_where_it_is_asked_for(mailbox: Mailbox, settings: Any) -> None:
    settings.EMAIL_USE_TLS = True
    with pytest.raises(NodeError, match="does not support an option of EMAIL_URL"):
        run("send_email", {}, **MESSAGE)
    assert mailbox.envelopes == []


def test_without_a_mail_server_the_setting_is_named(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = SMTP_BACKEND, ""
    with pytest.raises(NodeError, match="EMAIL_URL"):
        run("send_email", {}, **MESSAGE)


def test_files_of_the_item_are_attached(mailbox: Mailbox) -> None:
    files = HeldFiles()
    item = with_files({}, {
        "a": files.put("ä.pdf", "application/pdf", b"%PDF"), "b": files.put("b.csv", "text/csv; charset=utf-8", b"x"),
    })  # fmt: skip
    for attachments in ("{{ $json.$binary }}", "{{ [$json.$binary.a] }}", "{{ $json.$binary.b }}"):
        run_in_context("send_email", {"main": [item]}, {"files": files}, **(MESSAGE | {"attachments": attachments}))
    sent = [
        [
            (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
            for part in each.iter_attachments()
        ]
        for each in mailbox.messages
    ]
    first, second = ("ä.pdf", "application/pdf", b"%PDF"), ("b.csv", "text/csv", b"x")
    assert sent == [[first, second], [first], [second]]
    large = files.item("l", "image/png", bytes(10_000_001))
    with pytest.raises(NodeError, match=r"attachments\[0\]: the attachments have more than 10000000 bytes"):
        run_in_context(
            "send_email", {"main": [large]}, {"files": files}, **(MESSAGE | {"attachments": "{{ $json.$binary }}"})
        )
