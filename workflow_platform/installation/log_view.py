"""Shows the logs of all processes on one terminal, each line with the name of its process."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import orjson

INTERVAL_SECONDS = 0.25


class LogView(threading.Thread):
    """Follows `*.log` in a folder: existing files from their current end, new files from their beginning."""

    def __init__(self, folder: Path, output: IO[str] = sys.stdout, *, log_format: str = "text") -> None:
        super().__init__(name="log view", daemon=True)
        self.folder, self.output = folder, output
        self._line = _json_line if log_format == "json" else _text_line
        self._offsets = {path: path.stat().st_size for path in folder.glob("*.log")}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Follow until `stop`."""
        while not self._stopped.wait(INTERVAL_SECONDS):
            self.show_new_lines()

    def stop(self) -> None:
        """Show the last lines, and end."""
        self._stopped.set()
        self.join()
        self.show_new_lines()

    def show_new_lines(self) -> None:
        """Write every line that was completed since the last call."""
        for path in sorted(self.folder.glob("*.log")):
            for line in self._new_lines(path):
                self.output.write(self._line(path.stem, line))
        self.output.flush()

    def _new_lines(self, path: Path) -> list[str]:
        offset = self._offsets.get(path, 0)
        try:
            size = path.stat().st_size
            if size == offset:
                return []
            if size < offset:  # rotated: a new file has the name
                offset = 0
            with path.open("rb") as log:
                log.seek(offset)
                complete, newline, _ = log.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offsets[path] = offset + len(complete) + len(newline)
        return complete.decode(errors="replace").split("\n") if newline else []


def _text_line(program: str, line: str) -> str:
    return f"{program:>12} | {line}\n"


def _json_line(program: str, line: str) -> str:
    """Return a line as JSON with its program. The embedded servers write text, which becomes the message."""
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        now = datetime.now(UTC)
        parsed = {"timestamp": now, "level": "info", "logger": program, "message": line}
    return orjson.dumps(parsed | {"program": program}).decode() + "\n"
