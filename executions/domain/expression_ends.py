"""Where the expressions of a template begin and end. Pure.

`}}` inside an object, string, template literal, regular expression or comment does not end an expression. A scan takes
time in proportion to the length of the template.
"""

from __future__ import annotations

import re
from typing import NamedTuple

OPENING, CLOSING = "{{", "}}"

_NEEDS_SCAN = re.compile(r"""["'`/{]""")
_TOKEN = re.compile(
    r"""(?P<blank>\s+)
    | (?P<line_comment>//)
    | (?P<comment>/\*.*?\*/)
    | (?P<open_comment>/\*)
    | (?P<string>"(?:[^"\\\r\n]|\\(?:\r\n|.))*"|'(?:[^'\\\r\n]|\\(?:\r\n|.))*')
    | (?P<word>[\w$]+)
    | (?P<step>\+\+|--)
    | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_LINE_END = re.compile(r"[\r\n\u2028\u2029]")
_TEMPLATE_PART = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?P<end>`|\$\{)", re.DOTALL)
_REGULAR_EXPRESSION = re.compile(
    r"/(?:[^/\\\[\r\n\u2028\u2029]|\\[^\r\n\u2028\u2029]|\[(?:[^\]\\\r\n\u2028\u2029]|\\[^\r\n\u2028\u2029])*\])+/"
)
_BEFORE_AN_OPERAND = frozenset({
    "await", "case", "delete", "do", "else", "in", "instanceof", "new", "of", "return", "throw", "typeof", "void",
    "yield",
})  # fmt: skip
"""After these words a slash begins a regular expression."""
_PAIRS = {")": "(", "]": "[", "}": "{"}


class Token(NamedTuple):
    """A token of JavaScript. `kind` is word, string, step (`++`), regex, template, or the character of others.

    A template literal without `${` is one template. The parts of others begin with "`" and "}", and end with `${`
    or "`".
    """

    kind: str
    text: str
    begin: int
    end: int


def tokens_of(source: str) -> list[Token] | None:
    """Return the tokens of an expression, without comments; None if it is not whole."""
    scan = _Scan(f"{source}\n{CLOSING}", 0)
    return scan.tokens if scan.end() == len(source) + 1 else None


def expressions_in(template: str) -> list[tuple[int, int]]:
    """Return the start and end of each expression in a template, braces included.

    An expression that is not whole, such as one with an open string, ends at the first `}}`, so that its error is
    reported where it is.
    """
    places, at, broken = list[tuple[int, int]](), 0, False
    while (opened := template.find(OPENING, at)) >= 0 and (closed := template.find(CLOSING, opened + 2)) >= 0:
        if not broken and _NEEDS_SCAN.search(template, opened + 2, closed + 1):
            end = _Scan(template, opened + 2).end()
            # After one failure no further scan is made: each could again read the template to its end.
            broken = end is None
            closed = closed if end is None else end
        at = closed + 2
        places.append((opened, at))
    return places


def is_left_open(template: str, places: list[tuple[int, int]]) -> bool:
    """Return whether an expression begins after the last of `places`, those of `expressions_in`, and does not end."""
    return template.find(OPENING, places[-1][1] if places else 0) >= 0


class _Scan:
    """One pass over the JavaScript after `{{`."""

    def __init__(self, template: str, at: int) -> None:
        self._template, self._at = template, at
        self._open = list[str]()
        """The open brackets; "`" is the `${` of a template literal."""
        self._operand = False
        """Whether the last token ends an operand, so that a slash divides."""
        self._after_dot = False
        self.tokens = list[Token]()

    def end(self) -> int | None:
        """Return the index of the closing `}}`; None if the JavaScript is not whole."""
        template = self._template
        while (token := _TOKEN.match(template, self._at)) is not None:
            kind, text = token.lastgroup, token.group()
            begin, self._at = self._at, token.end()
            if kind in ("blank", "comment"):
                continue
            if kind == "open_comment":
                return None
            if kind == "line_comment":
                # `{{ $json.id // the customer }}` on one line is whole before the comment.
                closed = template.find(CLOSING, begin) if self._operand and not self._open else -1
                line_end = _LINE_END.search(template, begin, closed if closed >= 0 else len(template))
                if line_end is None:
                    return closed if closed >= 0 else None
                self._at = line_end.end()
                continue
            if kind == "other":
                if text == "}" and not {"{", "`"} & set(self._open[-1:]):
                    # No brace is open here: this closes the expression, or nothing.
                    closes = template.startswith(CLOSING, begin) and not {"{", "`"} & set(self._open)
                    return begin if closes else None
                if not self._other(text, begin):
                    return None
            else:
                self._operand = kind != "word" or self._after_dot or text not in _BEFORE_AN_OPERAND
            self._after_dot = text == "."
            self._add_token(kind, text, begin)
        return None

    def _add_token(self, kind: str | None, text: str, begin: int) -> None:
        if kind == "other":
            text, kind = self._template[begin : self._at], text
            if kind == "/" and len(text) > 1:
                kind = "regex"
            elif kind == "`" and text[-1] == "`":
                kind = "template"
        self.tokens.append(Token(str(kind), text, begin, self._at))

    def _other(self, text: str, begin: int) -> bool:
        """Take a bracket, a slash or another character. Returns whether the JavaScript can be whole."""
        if text in "\"'":
            return False
        if text == "`":
            return self._template_part(self._at)
        if text == "}" and self._open[-1] == "`":
            self._open.pop()
            return self._template_part(self._at)
        if text in _PAIRS:
            self._operand = True
            return bool(self._open) and self._open.pop() == _PAIRS[text]
        if text == "/" and not self._operand:
            literal = _REGULAR_EXPRESSION.match(self._template, begin)
            self._at = literal.end() if literal else self._at
            self._operand = True
            return literal is not None
        if text in "([{":
            self._open.append(text)
        self._operand = False
        return True

    def _template_part(self, at: int) -> bool:
        """Skip the text of a template literal up to its end or its next `${`."""
        part = _TEMPLATE_PART.match(self._template, at)
        if part is None:
            return False
        self._at = part.end()
        is_end = part["end"] == "`"
        self._operand = is_end
        if not is_end:
            self._open.append("`")
        return True
