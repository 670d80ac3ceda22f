"""Shows the logs of all processes on one terminal, each line with the name of its process."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import IO

INTERVAL_SECONDS = 0.25


class LogView(threading.Thread):
    """Follows `*.log` in a folder, from their ends as they are now; files that come later from their beginnings."""

    def __init__(self, folder: Path, output: IO[str] = sys.stdout) -> None:
        super().__init__(name="log view", daemon=True)
        self.folder, self.output = folder, output
        self._offsets = {path: path.stat().st_size for path in folder.glob("*.log")}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Follow until `stop`."""
        while not self._stopped.wait(INTERVAL_SECONDS):
            self.show_new_lines()

    def stop(self) -> None:
        """Show what came last, and end."""
        self._stopped.set()
        self.join()
        self.show_new_lines()

    def show_new_lines(self) -> None:
        """Write every line that was completed since the last call."""
        for path in sorted(self.folder.glob("*.log")):
            for line in self._new_lines(path):
                self.output.write(f"{path.stem:>12} | {line}\n")
        self.output.flush()

    def _new_lines(self, path: Path) -> list[str]:
        offset = self._offsets.get(path, 0)
        try:
            if path.stat().st_size < offset:  # rotated: a new file has the name
                offset = 0
            with path.open("rb") as log:
                log.seek(offset)
                complete, newline, _ = log.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offsets[path] = offset + len(complete) + len(newline)
        return complete.decode(errors="replace").split("\n") if newline else []
