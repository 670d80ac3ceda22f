"""Log lines: their fields, their formats, and the context that adds the fields of a request or an execution.

Every package may use the names below; the settings use `configuration`.
"""

from workflow_platform.core.logs.configuration import FORMATS, LEVELS, configuration, formatter, log_uncaught_exceptions
from workflow_platform.core.logs.context import (
    context_fields,
    execution_logging,
    log_context,
    set_process_fields,
    without_log_context,
)
from workflow_platform.core.logs.fields import FIELDS, PROCESS_FIELDS

__all__ = [
    "FIELDS",
    "FORMATS",
    "LEVELS",
    "PROCESS_FIELDS",
    "configuration",
    "context_fields",
    "execution_logging",
    "formatter",
    "log_context",
    "log_uncaught_exceptions",
    "set_process_fields",
    "without_log_context",
]
