"""Holds: node runs that wait for a person, what they are about, and the answers that release them.

The engine writes a hold (`executions.engine.holding`), a person answers it here, and the engine goes on.
"""

from executions.holds.answers import Answer, BadAnswer, answer, may_debug
from executions.holds.inputs import inputs_of
from executions.holds.shown import ShownHold, open_holds, shown_holds

__all__ = [
    "Answer",
    "BadAnswer",
    "ShownHold",
    "answer",
    "inputs_of",
    "may_debug",
    "open_holds",
    "shown_holds",
]
