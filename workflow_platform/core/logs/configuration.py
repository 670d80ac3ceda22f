"""The one configuration of logging for every process: web, workers, scheduler, lease keepers, supervisor, commands."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

from workflow_platform.core.logs.formatters import JsonFormatter, TextFormatter

FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET", "WARN", "FATAL")
"""The last three are other names that LOG_LEVEL has always accepted."""
# Django and RQ add handlers to these loggers. Without them, their lines use our handler.
_PLAIN = ("django", "django.server", "rq.worker", "rq.job", "rq.scheduler")


def configuration(log_format: str, level: str) -> dict[str, Any]:
    """Return the argument of `logging.config.dictConfig`: everything goes to standard error, in one format."""
    # Their DEBUG lines hold SQL with its parameters, and a line for each job.
    of_libraries = "INFO" if level in {"DEBUG", "NOTSET"} else level
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "log_format": log_format}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {name: {"handlers": [], "propagate": True, "level": of_libraries} for name in _PLAIN},
    }


def formatter(log_format: str) -> logging.Formatter:
    """Return the formatter of a format."""
    return JsonFormatter() if log_format == "json" else TextFormatter()


def log_uncaught_exceptions() -> None:
    """Log errors that end the process or one of its threads, instead of printing bare tracebacks."""
    logger = logging.getLogger("workflow_platform.uncaught")

    def in_process(kind: Any, error: Any, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            logger.critical("process ends: uncaught error: %s", error, exc_info=(kind, error, trace))

    def in_thread(raised: threading.ExceptHookArgs) -> None:
        if raised.exc_type is SystemExit or raised.exc_value is None:
            return
        name = raised.thread.name if raised.thread else "unknown"
        info = (raised.exc_type, raised.exc_value, raised.exc_traceback)
        logger.critical("thread %r ended: uncaught error: %s", name, raised.exc_value, exc_info=info)

    sys.excepthook, threading.excepthook = in_process, in_thread
