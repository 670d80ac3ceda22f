"""The text of PDF files."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pypdf
from pypdf.errors import PyPdfError

from executions.domain.errors import NodeError
from executions.domain.items import Item
from executions.nodes.file_formats.replies import Options, extracts

MAX_PAGES = 2_000
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings are about the file, for nobody here


def _text(content: bytes, options: Options) -> Iterator[Item]:
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise NodeError("The PDF is protected by a password.")
        count = len(reader.pages)
        if count > MAX_PAGES:
            raise NodeError(f"The PDF has {count} pages; the limit is {MAX_PAGES}.")
        pages = [_storable(page.extract_text()) for page in reader.pages]
        about = {name[1:].lower(): _storable(str(value)) for name, value in (reader.metadata or {}).items()}
    except (NodeError, MemoryError):
        raise
    except PyPdfError as error:
        raise NodeError(f"The PDF cannot be read: {error}.") from None
    except Exception as error:  # a hostile or damaged file makes the parser raise nearly anything
        raise NodeError(f"The PDF cannot be read: {type(error).__name__}: {error}.") from None
    into = options["into"]
    if options.get("each_page"):
        yield from ({into: text, "page": number, "pages": count} for number, text in enumerate(pages, 1))
    else:
        yield {into: "\n\n".join(pages), "pages": count, "info": about}


def _storable(text: str) -> str:
    """Return the text without characters that JSON in PostgreSQL cannot hold."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()


extract = extracts(_text)
