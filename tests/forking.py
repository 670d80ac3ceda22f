"""Run a check in a child process that was forked from the test."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_a_fork(check: Callable[[], T]) -> T:
    """Return what `check` returns in a forked child. The child ends without its exit handlers, so that nothing of the
    test session is closed twice."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: this process has threads
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps(check()))
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        text = result.read()
    os.waitpid(child, 0)
    assert text, "The check failed in the child process; its traceback is on stderr."
    value: T = pickle.loads(text)
    return value
