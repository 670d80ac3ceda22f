"""Rewrites the calls of extension methods: `x.first()` becomes `__call(x,"first",)`. Pure.

n8n adds methods to text, numbers, lists and objects. Methods on the prototype of objects would be read where an item
lacks a field of that name, and `null` has no prototype. So the call is rewritten, and `__call` chooses by the value.
`$if(a, b, c)` becomes `((a)?(b):(c))`, since it evaluates only the value that it returns.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from executions.domain.expression_ends import Token, tokens_of


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


METHODS: Final[dict[str, frozenset[str]]] = {
    "text_methods": _names(
        "base64Decode base64Encode extractDomain extractEmail extractUrl extractUrlPath isDomain isEmail isNumeric"
        " isUrl length parseJson quote removeMarkdown removeTags replaceSpecialChars toBoolean toDecimalNumber toFloat"
        " toInt toJsonString toNumber toSentenceCase toSnakeCase toTitleCase toWholeNumber urlDecode urlEncode"
    ),
    "list_methods": _names(
        "append average chunk compact difference first intersection last max merge min pluck randomItem"
        " removeDuplicates renameKeys smartJoin sum toJsonString union unique"
    ),
    "value_methods": _names(
        "abs ceil compact floor hasField isEven isInteger isOdd keepFieldsContaining keys merge removeField"
        " removeFieldsContaining round toBoolean toFloat toInt toJsonString toNumber urlEncode values"
    ),
    "date_methods": _names(
        "beginningOf diffTo diffToNow endOfMonth extract format inBetween isBetween isDst isInLast isWeekend minus plus"
        " toDate toDateTime"
    ),
    "hashes": _names("hash"),
    "extension_calls": _names("isEmpty isNotEmpty"),
}
"""The extension methods, by the script that defines them."""
_NAMES: Final = frozenset().union(*METHODS.values())
_MAY_CALL = re.compile(rf"\.\s*(?:{'|'.join(sorted(_NAMES))})\s*\(|\$if\s*\(")
_NATIVE = re.compile(
    r"\$input|\$items\(\)|\$\(\s*(?P<quote>[\"'`])(?:(?!(?P=quote)).)*(?P=quote)\s*\)|console"
    r"|Array|Date|DateTime|Duration|Interval|JSON|Math|Number|Object|Promise|Reflect|String"
)
"""Values that have the methods themselves."""
_METHODS_OF_DATETIME = _names("plus minus")
_MAKE_DATETIME = _names("$now $today DateTime")
_NO_OPERAND = _names("await case delete do else in instanceof new of return throw typeof void yield")
"""Words that cannot end the value that a method is called on."""


@lru_cache(maxsize=2048)
def extended(source: str) -> str:
    """Return the expression with its calls of extension methods and of `$if` rewritten; as it is if it is not whole."""
    if not _MAY_CALL.search(source) or (tokens := tokens_of(source)) is None:
        return source
    return _Rewriting(source, tokens).result()


def receiver_of(source: str, tokens: list[Token], at: int) -> str:
    """Return the source of the value whose property is read by the dot or bracket at a token; empty if unknown."""
    rewriting = _Rewriting(source, tokens)
    optional = rewriting.is_optional(at)
    last = at - (2 if optional else 1)
    first = rewriting.receiver(last)[0] if last >= 0 else None
    return "" if first is None else source[tokens[first].begin : tokens[last].end]


class _Rewriting:
    """The edits of one expression."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self._source, self._tokens = source, tokens
        self._opener = dict[int, int]()
        """The index of the opening token of each closing token."""
        self._closer = dict[int, int]()
        self._inserted = dict[int, str]()
        self._replaced = dict[int, tuple[int, str]]()
        """By the position where it begins: the end of what is replaced, and the new text."""
        self._match_brackets()

    def result(self) -> str:
        for at, token in enumerate(self._tokens):
            if token.kind == "word" and self._kind(at + 1) == "(" and at + 1 in self._closer:
                if token.text in _NAMES and self._kind(at - 1) == ".":
                    self._call(at)
                elif token.text == "$if" and self._kind(at - 1) != ".":
                    self._if(at)
        return self._edited()

    def _match_brackets(self) -> None:
        open_ = list[int]()
        for at, (kind, text, _, _) in enumerate(self._tokens):
            if kind in ("(", "[", "{", "`"):
                open_.append(at)
            elif (
                kind in (")", "]")
                or (kind == "}" and text == "}" and self._kind_of(open_) == "{")
                or (kind == "}" and text[-1] == "`")
            ):
                self._pair(open_.pop(), at)

    def _kind_of(self, open_: list[int]) -> str:
        return self._tokens[open_[-1]].kind if open_ else ""

    def _pair(self, opener: int, closer: int) -> None:
        self._opener[closer], self._closer[opener] = opener, closer

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else ""

    def _call(self, at: int) -> None:
        """Rewrite the call of the method whose name is token `at`."""
        dot = at - 1
        optional = self.is_optional(dot)
        last = dot - 2 if optional else dot - 1
        first, chained = self.receiver(last)
        if first is None:
            return
        receiver = self._source[self._tokens[first].begin : self._tokens[last].end]
        is_datetime = self._tokens[at].text in _METHODS_OF_DATETIME and self._tokens[first].text in _MAKE_DATETIME
        if is_datetime or _NATIVE.fullmatch(receiver):
            return
        optional = optional or chained
        name, parenthesis = self._tokens[at].text, self._tokens[at + 1]
        begin = self._tokens[first].begin
        self._inserted[begin] = ("__callIf(" if optional else "__call(") + self._inserted.get(begin, "")
        self._replaced[self._tokens[last].end] = (parenthesis.end, f',"{name}",')
        after = self._closer[at + 1] + 1
        if optional and self._kind(after) == ".":
            self._replaced.setdefault(self._tokens[after].begin, (self._tokens[after].end, "?."))
        elif optional and self._kind(after) == "[":
            self._inserted.setdefault(self._tokens[after].begin, "?.")

    def is_optional(self, dot: int) -> bool:
        """Return whether a dot is that of `?.`."""
        return self._kind(dot - 1) == "?" and self._tokens[dot - 1].end == self._tokens[dot].begin

    def receiver(self, at: int) -> tuple[int | None, bool]:
        """Return the first token of the operand that ends with token `at`, and whether `?.` is in its chain."""
        chained = False
        while True:
            if at in self._opener:
                at = self._opener[at]
                if self._tokens[at].kind != "{" and self._ends_operand(at - 1):
                    at -= 1
                    continue
                if self.is_optional(at - 1) and self._kind(at - 1) == ".":  # a?.[0] and f?.()
                    at, chained = at - 3, True
                    continue
            elif self._kind(at) not in ("word", "string", "regex", "template"):
                return None, False
            elif self._kind(at - 1) == "regex" and self._tokens[at - 1].end == self._tokens[at].begin:
                at -= 1  # the word is the flags
            if self._kind(at - 1) == "." and self._kind(at - 2) != ".":
                optional = self.is_optional(at - 1)
                chained = chained or optional
                before = at - 3 if optional else at - 2
                if not self._ends_operand(before):
                    break
                at = before
                continue
            break
        if self._kind(at - 1) == "word" and self._tokens[at - 1].text == "new":
            at -= 1
        return at, chained

    def _ends_operand(self, at: int) -> bool:
        kind = self._kind(at)
        if kind == "word":
            return self._tokens[at].text not in _NO_OPERAND
        return kind in ("string", "regex", "template") or at in self._opener

    def _if(self, at: int) -> None:
        """Rewrite `$if(condition, one, other)`."""
        opened, closed = at + 1, self._closer[at + 1]
        commas, inner = list[int](), opened + 1
        while inner < closed:
            if self._kind(inner) == ",":
                commas.append(inner)
            inner = self._closer.get(inner, inner) + 1
        if len(commas) not in (1, 2) or commas[-1] == closed - 1 or self._source.startswith("...", opened + 1):
            return
        self._replaced[self._tokens[at].begin] = (self._tokens[opened].end, "((")
        for comma, text in zip(commas, (")?(", "):("), strict=False):
            self._replaced[self._tokens[comma].begin] = (self._tokens[comma].end, text)
        self._replaced[self._tokens[closed].begin] = (
            self._tokens[closed].end,
            "))" if len(commas) == 2 else "):(false))",
        )

    def _edited(self) -> str:
        parts, at = list[str](), 0
        for place in sorted(self._inserted.keys() | self._replaced.keys()):
            if place < at:
                continue
            parts += [self._source[at:place], self._inserted.get(place, "")]
            at = place
            if place in self._replaced:
                at, text = self._replaced[place]
                parts.append(text)
        return "".join([*parts, self._source[at:]])
