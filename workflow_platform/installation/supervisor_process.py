"""The supervisor of `manage.py up`: supervisord whose log lines have the format of LOG_FORMAT.

Run with `python -m`; it takes supervisord's arguments.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from supervisor import loggers, supervisord

from workflow_platform.core.logs import formatter, set_process_fields

LEVELS = {"CRIT": logging.WARNING, "ERRO": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}
"""supervisord logs notices as critical that need no action, such as that it runs as root."""


class SupervisorFormat:
    """Replaces supervisord's format string: `%` returns one formatted line."""

    def __init__(self, log_format: str) -> None:
        self._formatter = formatter(log_format)

    def __mod__(self, values: Mapping[str, Any]) -> str:
        level = LEVELS.get(values["levelname"], logging.DEBUG)
        record = logging.LogRecord("supervisor", level, __file__, 0, values["message"], None, None)
        return f"{self._formatter.format(record)}\n"


def use_format(log_format: str) -> None:
    """Make supervisord write its log in this format. The output of its programs is passed on unchanged."""
    handle_file = loggers.handle_file

    def handle_file_formatted(logger: Any, filename: str, fmt: str, *args: Any, **kwargs: Any) -> None:
        own_log = "%(levelname)s" in fmt
        handle_file(logger, filename, SupervisorFormat(log_format) if own_log else fmt, *args, **kwargs)

    loggers.handle_file = handle_file_formatted


def main() -> None:
    """Run supervisord."""
    set_process_fields("supervisor")
    use_format(os.environ.get("LOG_FORMAT", "text").strip().lower())
    supervisord.main()


if __name__ == "__main__":
    main()
