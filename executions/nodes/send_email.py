from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.core import mail
from pydantic import ConfigDict, Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes import mail_attachments, mail_records
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.exchanges import ReceivedData
from executions.nodes.mail_addresses import MAX_ADDRESSES, Addresses, addresses_in
from executions.nodes.mail_attachments import Attachments

SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
MAX_BODY = 5_000_000
MAX_HEADER = 998  # RFC 5322, 2.1.1
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
# Headers that the parameters set, that describe the content, or that receivers trust.
_OWN_HEADERS = frozenset({
    "from", "to", "cc", "bcc", "subject", "sender", "date", "message-id", "received", "return-path", "dkim-signature",
    "authentication-results", "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
    "content-id", "resent-to", "resent-cc", "resent-bcc", "resent-from",
})  # fmt: skip


class SendEmailParameters(Parameters):
    model_config = ConfigDict(populate_by_name=True, coerce_numbers_to_str=True)

    from_: str = Field(
        "", alias="from", title="From", description="Defaults to the setting EMAIL_FROM.", max_length=MAX_HEADER
    )
    to: Addresses = Field(
        title="To",
        description="Addresses, separated by commas, semicolons or line breaks, or as a list: ann@example.com, Bob"
        " <bob@example.com>.",
    )
    cc: Addresses = Field("", title="Cc")
    bcc: Addresses = Field("", title="Bcc", description="Recipients whom the others do not see.")
    reply_to: Addresses = Field("", title="Reply to")
    subject: str = Field("", title="Subject", max_length=MAX_HEADER)
    text: str = Field("", title="Text", max_length=MAX_BODY)
    html: str = Field(
        "",
        title="HTML",
        description="The HTML version, shown by mail programs instead of the text.",
        max_length=MAX_BODY,
    )
    headers: dict[str, str] = Field(
        {}, title="Headers", description="Additional headers, for example X-Ticket.", max_length=50
    )
    attachments: Attachments = []


@dataclass(slots=True)
class _Mailing:
    """The connection to the mail server, and the messages that are built ahead, by item."""

    connection: Any
    messages: dict[int, mail.EmailMultiAlternatives]
    sent: int = 0


class SendEmail(ItemNodeType[SendEmailParameters]):
    type = "send_email"
    label = "Send email"
    description = "Sends an email for each item through the configured mail server."
    icon = "mail"
    category = "network"
    Parameters = SendEmailParameters
    effect = "sends"
    blocking = True

    @contextmanager
    def opened(self, context: NodeContext[SendEmailParameters]) -> Iterator[_Mailing]:
        if settings.EMAIL_BACKEND == SMTP_BACKEND and not settings.EMAIL_HOST:
            raise NodeError(
                "No mail server is configured. Ask the operator to set EMAIL_URL (smtp://user:password@host:587)."
            )
        messages = {}
        if context.node.on_error == "stop":
            # All messages are built before the first is sent, so that an error in one prevents all.
            messages = {index: _message(context, index) for index in range(len(context.items))}
        connection = mail.get_connection()
        try:
            try:
                connection.open()
            except (smtplib.SMTPException, OSError) as error:
                raise _failure(error, 0) from None
            yield _Mailing(connection, messages)
        finally:
            connection.close()

    def run_item(self, context: NodeContext[SendEmailParameters], index: int, item: Item) -> dict[str, Items]:
        mailing: _Mailing = context.shared
        message = mailing.messages.pop(index, None) or _message(context, index)
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        _attach(message, context, index)
        sent = mail_records.message_of(message)
        try:
            mailing.connection.open()
            message.connection = mailing.connection
            message.send()
        except (smtplib.SMTPException, OSError) as error:
            with suppress(smtplib.SMTPException, OSError):
                mailing.connection.close()  # the server may have ended it: the next item opens another
            failure = _failure(error, mailing.sent)
            context.record(index, sent, str(failure))
            raise failure from None
        context.record(index, sent, ReceivedData({"accepted": message.recipients()}))
        mailing.sent += 1
        return {"main": [_sent(message)]}


def _message(context: NodeContext[SendEmailParameters], index: int) -> mail.EmailMultiAlternatives:
    parameters = context.parameters(index)
    from_ = (parameters.from_ or settings.DEFAULT_FROM_EMAIL).strip()
    _check_line("from", from_, index)
    sender = addresses_in("from", from_, index)
    if len(sender) != 1:
        raise NodeError(
            f"parameters.from: give exactly one address, or ask the operator to set EMAIL_FROM (item {index})."
        )
    to, cc, bcc = (addresses_in(name, getattr(parameters, name), index) for name in ("to", "cc", "bcc"))
    if not 1 <= (count := len(to + cc + bcc)) <= MAX_ADDRESSES:
        raise NodeError(f"parameters.to: {count} recipients; 1 to {MAX_ADDRESSES} are allowed (item {index}).")
    subject = parameters.subject.strip()
    _check_line("subject", subject, index)
    headers = {"Message-ID": _message_id(f"{context.idempotency_key}/{index}", sender[0])}
    for name, value in parameters.headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise NodeError(f"parameters.headers: the header {name[:100]!r} cannot be set (item {index}).")
        value = value.strip()
        _check_line(f"headers.{name}", value, index)
        headers[name] = value
    text, html = parameters.text, parameters.html
    reply_to = addresses_in("reply_to", parameters.reply_to, index)
    message = mail.EmailMultiAlternatives(
        subject, text, sender[0], to, bcc=bcc, cc=cc, reply_to=reply_to, headers=headers
    )
    if html:
        message.attach_alternative(html, "text/html")
    mail_attachments.check(parameters.attachments, index, context.files)
    try:
        message.message()
    except ValueError as error:
        raise NodeError(f"parameters: the message is invalid: {error} (item {index}).") from None
    return message


def _attach(message: mail.EmailMultiAlternatives, context: NodeContext[SendEmailParameters], index: int) -> None:
    """Add the files of the parameters. They are not kept for all messages that are built before the first is sent."""
    if context.node.parameters.get("attachments"):
        for part in mail_attachments.parts_of(context.parameters(index).attachments, index, context.files):
            message.attach(part)


def _message_id(key: str, sender: str) -> str:
    """Return an id that is the same for each attempt at an item, so that receivers can detect duplicates."""
    return f"<{uuid5(NAMESPACE_URL, key)}@{sender.rpartition('@')[2].rstrip('>')}>"


def _check_line(field: str, value: str, index: int, limit: int = MAX_HEADER) -> None:
    """Raise NodeError for a value with line breaks, which could inject headers, or one that is too long."""
    if len(value) > limit or any(ord(c) < 32 or ord(c) == 127 or c in "\x85\u2028\u2029" for c in value):
        raise NodeError(f"parameters.{field}: must be one line of at most {limit} characters (item {index}).")


def _sent(message: mail.EmailMultiAlternatives) -> dict[str, Any]:
    return {
        "message_id": message.extra_headers["Message-ID"],
        "from": message.from_email,
        "to": message.to,
        "cc": message.cc,
        "bcc": message.bcc,
        "subject": message.subject,
    }


def _failure(error: Exception, sent: int) -> NodeError:
    """Return the error as a NodeError, retryable if the server may accept the message later."""
    failure = _described(error, sent)
    failure.response = mail_records.server_error(error)
    return failure


def _described(error: Exception, sent: int) -> NodeError:
    already = f" {sent} messages were already sent." if sent else ""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return NodeError(f"The mail server rejected the login of EMAIL_URL (code {error.smtp_code}).{already}")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        refused = ", ".join(error.recipients)
        return NodeError(f"The mail server rejected {refused} (code {codes[0]}).{already}", retryable=max(codes) < 500)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return NodeError(
            f"The mail server responded with {error.smtp_code} {text}.{already}", retryable=error.smtp_code < 500
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return NodeError(f"The mail server does not support an option of EMAIL_URL: {error}.{already}")
    return NodeError(f"Could not connect to the mail server of EMAIL_URL: {error}.{already}", retryable=True)
