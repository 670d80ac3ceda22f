"""Syntax checks for web processes: one task of a sandbox process checks many texts, and verdicts are cached by text."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable

import orjson

from workflow_platform.core.sandbox.javascript import CHECK_MEMORY_BYTES, budget
from workflow_platform.core.sandbox.short_tasks import run_short_task
from workflow_platform.core.sandbox.task import Task

REMEMBERED = 10_000
LONGEST_REMEMBERED = 2_000
"""The maximum length of a cached verdict, in characters."""
_SURROGATE = re.compile("[\ud800-\udfff]")

Text = tuple[str, str]
"""The kind of a text, for the function that checks it, and the text."""


class CheckFailed(Exception):
    """The texts were not checked, since they exceeded a limit, which the message names."""


class Checks:
    """Verdicts of one function that takes a JSON list of texts and returns what is wrong with each. Safe for threads.

    The latest verdicts are cached: most texts of a saved workflow were in its previous version.
    """

    def __init__(self, function: str, subject: str) -> None:
        self._function, self._subject = function, subject
        self._known: OrderedDict[bytes, str | None] = OrderedDict()
        self._lock = threading.Lock()

    def verdicts(self, texts: Iterable[Text], group: str) -> dict[Text, str | None]:
        """Return for each text what is wrong with it, or None. Texts without a cached verdict are checked together.

        Raises CheckFailed, and SandboxUnavailable as `run_short_task` does.
        """
        verdicts: dict[Text, str | None] = {}
        unknown: dict[Text, bytes] = {}
        for text in texts:
            if text in verdicts or text in unknown:
                continue
            if _SURROGATE.search(text[1]):
                verdicts[text] = "The text contains an unpaired surrogate, which cannot be stored. Remove it."
                continue
            digest = _digest(text)
            with self._lock:
                if digest in self._known:
                    self._known.move_to_end(digest)
                    verdicts[text] = self._known[digest]
                    continue
            unknown[text] = digest
        if unknown:
            verdicts |= self._check(unknown, group)
        return verdicts

    def _check(self, unknown: dict[Text, bytes], group: str) -> dict[Text, str | None]:
        texts = list(unknown)
        part = orjson.dumps(texts)
        seconds = budget(len(part))
        task = Task(self._function, [part], seconds, CHECK_MEMORY_BYTES, output_bytes=2 * len(part) + 2**20)
        reply = run_short_task(task, self._subject, group=group)
        if reply.failure:
            if reply.failure == "lost":
                raise CheckFailed(f"{self._subject} ended its process ({reply.detail}); make the text simpler.")
            raise CheckFailed(f"{reply.explain(task, self._subject)} Make the text shorter or simpler.")
        verdicts: dict[Text, str | None] = dict(zip(texts, orjson.loads(reply.parts[0]), strict=True))
        with self._lock:
            for text, verdict in verdicts.items():
                if verdict is None or len(verdict) <= LONGEST_REMEMBERED:
                    self._known[unknown[text]] = verdict
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return verdicts


def _digest(text: Text) -> bytes:
    kind, source = text
    return hashlib.blake2b(source.encode(), digest_size=24, person=kind.encode()[:16]).digest()
