"""What is recorded of the messages of the e-mail node, and of the errors of its server."""

from __future__ import annotations

import hashlib
import smtplib
from email.message import Message
from typing import Any

from django.core import mail

from executions.domain.digests import digest_of
from executions.nodes.exchanges import SentData
from executions.nodes.responses import response_of
from workflow_platform.core import exact_json

OF_THE_RUN = "Message-ID"
"""The header that differs from run to run."""


def message_of(message: mail.EmailMultiAlternatives) -> SentData:
    """Return a message. Its digest is that of all of it, with the attachments, but without its id."""
    content: dict[str, Any] = {
        "from": message.from_email,
        "to": list(message.to),
        "cc": list(message.cc),
        "bcc": list(message.bcc),
        "reply_to": list(message.reply_to),
        "subject": str(message.subject),
        "headers": {name: str(value) for name, value in message.extra_headers.items() if name != OF_THE_RUN},
        "text": str(message.body),
        "html": "".join(str(each[0]) for each in message.alternatives),
        "attachments": [_attachment(each) for each in message.attachments],
    }
    return SentData({name: value for name, value in content.items() if value}, digest_of(exact_json.normal(content)))


def _attachment(part: Any) -> dict[str, Any]:
    assert isinstance(part, Message)
    payload = str(part.get_payload()).encode()
    described = {"name": part.get_filename(), "content_type": part.get_content_type()}
    return described | {"sha256": hashlib.sha256(payload).hexdigest()}


def server_error(error: Exception) -> dict[str, Any] | None:
    """Return what the mail server said, with its code as the status; None if it did not say anything."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        lines = [f"{address}: {code} {_text(said)}" for address, (code, said) in error.recipients.items()]
        code = next(iter(error.recipients.values()))[0]
        return response_of(code, {}, "\n".join(lines).encode(errors="replace"))
    if isinstance(error, smtplib.SMTPResponseException):
        return response_of(error.smtp_code, {}, _text(error.smtp_error).encode(errors="replace"))
    return None


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
