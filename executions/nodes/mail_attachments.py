"""Files that are sent with an email."""

from __future__ import annotations

import binascii
import mimetypes
import re
from collections.abc import Iterator, Sequence
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from executions.domain.binaries import file_in
from executions.domain.errors import NodeError
from executions.nodes.base import Parameters
from executions.nodes.file_access import FileStore

MAX_ATTACHMENTS = 50
MAX_ATTACHED_BYTES = 10_000_000
_OTHER = "application/octet-stream"
_CONTENT_TYPE = re.compile(r"([A-Za-z0-9!#$&^_.+-]{1,127})/([A-Za-z0-9!#$&^_.+-]{1,127})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)
_STANDARD = str.maketrans("-_", "+/")
_COMPOSITE = frozenset({"message", "multipart"})  # these have parts of their own, and no base64


class MailAttachment(Parameters):
    """A file as a webhook hands on an uploaded file, or one of `$binary`; further fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    base64: str | None = Field(None, title="Base64", description="The content in base64.")
    reference: str = Field("", title="Reference", description="Of a file of the item ($binary).", max_length=100)
    filename: str = Field(
        "", title="File name", description="Defaults to a name such as attachment-1.pdf.", max_length=255
    )
    content_type: str = Field(
        "",
        title="Content type",
        description="For example application/pdf. Defaults to the type of the file name.",
        max_length=255,
    )

    @model_validator(mode="after")
    def _has_content(self) -> MailAttachment:
        if self.base64 is None and not self.reference:
            raise PydanticCustomError("content", "give the content as base64, or a file of $binary")
        return self


def as_list(value: Any) -> Any:
    """Return one file, or the files of `$binary`, as a list, and null as no files: expressions return what there is."""
    if value is None or value == "":
        return []
    if (
        isinstance(value, dict)
        and value
        and all(isinstance(each, dict) and "reference" in each for each in value.values())
    ):
        return list(value.values())
    return [value] if isinstance(value, dict) else value


Attachments = Annotated[
    list[MailAttachment],
    BeforeValidator(as_list),
    Field(
        title="Attachments",
        description="Files as {filename, content_type, base64}, such as {{ $json.body.file }} of a webhook, or of the"
        " item: {{ $json.$binary.data }} for one, {{ $json.$binary }} for all.",
        max_length=MAX_ATTACHMENTS,
    ),
]


def check(attachments: Sequence[MailAttachment], index: int, files: FileStore) -> None:
    """Raise NodeError, with the item, for files that cannot be sent. Nothing is kept in memory."""
    for _ in parts_of(attachments, index, files):
        pass


def parts_of(attachments: Sequence[MailAttachment], index: int, files: FileStore) -> Iterator[MIMEBase]:
    """Yield the files as parts of a message, with exactly the bytes that were given. Raises NodeError."""
    room = MAX_ATTACHED_BYTES
    for number, attachment in enumerate(attachments):
        field = f"parameters.attachments[{number}]"
        if attachment.base64 is None:
            attachment, content = _file_of(attachment, room, field, index, files)
        else:
            content = _content(attachment.base64, field, index)
        if (room := room - len(content)) < 0:
            raise NodeError(
                f"{field}: the attachments have more than {MAX_ATTACHED_BYTES} bytes, the limit (item {index})."
            )
        if _CONTROL.search(attachment.filename):
            raise NodeError(f"{field}.filename: must be one line without control characters (item {index}).")
        maintype, subtype = _type(attachment, field, index)
        name = re.split(r"[/\\]", attachment.filename)[-1].strip()
        name = name or f"attachment-{number + 1}{mimetypes.guess_extension(f'{maintype}/{subtype}') or ''}"
        part = MIMEBase(maintype, subtype)
        part.set_payload(content)
        encode_base64(part)
        if charset := _charset(attachment.content_type, content) if maintype.lower() == "text" else "":
            part.set_param("charset", charset)
        part.add_header("Content-Disposition", "attachment", filename=name if name.isascii() else ("utf-8", "", name))
        yield part


def _file_of(
    attachment: MailAttachment, room: int, field: str, index: int, files: FileStore
) -> tuple[MailAttachment, bytes]:
    """Return a file of the item with its name and type, unless others are given, and its content, or more than fits."""
    file = file_in({"reference": attachment.reference})
    if file is None:
        raise NodeError(f"{field}.reference: {attachment.reference[:100]!r} names no file (item {index}).")
    reader = files.open(file)
    content = b"".join(reader.chunks(0, room + 1))
    described = {"filename": attachment.filename or reader.name}
    described["content_type"] = attachment.content_type or reader.media_type
    return attachment.model_copy(update=described), content


def _content(base64: str, field: str, index: int) -> bytes:
    text = "".join(base64.split()).translate(_STANDARD).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:  # binascii.Error is one; other characters than ASCII raise ValueError itself
        raise NodeError(f"{field}.base64: is not base64 (item {index}). Encode the content of the file.") from None


def _type(attachment: MailAttachment, field: str, index: int) -> tuple[str, str]:
    given = attachment.content_type.partition(";")[0].strip() or mimetypes.guess_type(attachment.filename)[0] or _OTHER
    found = _CONTENT_TYPE.fullmatch(given)
    if found is None:
        raise NodeError(f"{field}.content_type: {given[:100]!r} is no type such as application/pdf (item {index}).")
    return (found[1], found[2]) if found[1].lower() not in _COMPOSITE else ("application", "octet-stream")


def _charset(content_type: str, content: bytes) -> str:
    """Return the charset that is given, or UTF-8 if the content is; else none, which mail programs guess."""
    if found := _CHARSET.search(content_type):
        return found[1]
    try:
        content.decode()
    except UnicodeDecodeError:
        return ""
    return "utf-8"
