"""Static files: which ones `collectstatic` takes, how it stores the pages' modules, and how long browsers keep them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

from workflow_platform.core.page_modules import FOLDER, translated_name
from workflow_platform.core.translations.scripts import (
    TranslatedModules,
    catalogue_path,
    marked_texts,
    translations_of,
)

_COMMENT = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*$", re.DOTALL | re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_OWN_FOLDERS = (FOLDER, "css/")


class CollectedStaticFiles(StaticFilesConfig):
    """Leaves out ReDoc, 11 MB with its compressed copies, which no page uses: the API is documented by Swagger UI."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "redoc"]


def fingerprint() -> str:
    """Return a digest that changes with the files to be collected, and with how they are stored."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    stored = (django.__version__, version("whitenoise"), settings.WHITENOISE_SKIP_COMPRESS_EXTENSIONS)
    digest.update(repr(stored).encode())
    for language, _ in settings.LANGUAGES:
        catalogue = catalogue_path(language, "djangojs")
        digest.update(catalogue.read_bytes() if catalogue.exists() else b"")
    for finder in finders.get_finders():
        for path, storage in finder.list(CollectedStaticFiles.ignore_patterns):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class ServedStaticFiles(WhiteNoiseMiddleware):
    """Serves static files. Browsers keep those with a hash in their name for a year."""

    FOREVER = int(timedelta(days=365).total_seconds())


class StoredStaticFiles(CompressedManifestStaticFilesStorage):
    """Stores hashed and compressed copies. The pages' modules have one in each language. They and the style sheets are
    shortened, by a quarter."""

    def post_process(self, paths: dict[str, Any], *args: Any, **options: Any) -> Iterator[tuple[str, str, bool]]:
        """Store the copies of the files at `paths`."""
        written = {
            name: (Shortened(storage), path) if name.startswith(_OWN_FOLDERS) else (storage, path)
            for name, (storage, path) in paths.items()
        }
        written |= _translated_modules(written)
        yield from super().post_process(written, *args, **options)  # type: ignore[no-untyped-call]

    def compress_files(self, paths: set[str]) -> Iterator[tuple[str, str]]:
        """Compress what is stored: a translated copy is so only under its hashed name."""
        stored = {path for path in paths if self.exists(path)}
        yield from super().compress_files(stored)  # type: ignore[no-untyped-call]


def _translated_modules(paths: dict[str, Any]) -> dict[str, Any]:
    """Return the copies of modules with texts in the other languages, with where to read them."""
    modules = {name: found for name, found in paths.items() if name.startswith(FOLDER) and name.endswith(".js")}
    with_texts = {}
    for name, (storage, path) in modules.items():
        with storage.open(path) as file:
            if any(marked_texts(file.read().decode())):
                with_texts[name] = (storage, path)
    copies = {}
    for language, _ in settings.LANGUAGES:
        if language != settings.LANGUAGE_CODE:
            translations = translations_of(language)
            for name, (storage, path) in with_texts.items():
                copies[translated_name(name, language)] = (TranslatedModules(storage, translations), path)
    return copies


class Shortened(Storage):
    """The scripts and style sheets of another storage, read without comments and indentation."""

    def __init__(self, written: Storage) -> None:
        self._written = written

    def open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        """Return a shortened file."""
        with self._written.open(name, mode) as file:
            return ContentFile(shortened(file.read().decode()).encode(), name)


def shortened(text: str) -> str:
    """Return a script or style sheet without indentation and without the comments that have lines of their own. The
    other lines keep their numbers.

    No line of the text in a template literal may begin like a comment or with a space.
    """
    return _INDENT.sub("", _COMMENT.sub(lambda comment: "\n" * comment.group().count("\n"), text))
