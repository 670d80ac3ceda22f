"""The JavaScript that runs in QuickJS around expressions and code: variables, functions, results.

`expressions` and `executions.sandbox.evaluation` load it. No Django.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_NOT_CODE = re.compile(r"^[ ]+|^\s*//.*\n", re.MULTILINE)


@cache
def source(name: str) -> str:
    """Return the text of one of the scripts of this package, without indents and lines of comment."""
    return _NOT_CODE.sub("", (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8"))


def prelude() -> str:
    """Return the script that every context runs first. It holds `json_forms` as a text, which few results need."""
    return source("prelude").replace('"@json_forms"', json.dumps(source("json_forms")))
