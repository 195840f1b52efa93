"""Trees of styled lines as text: branches, a left and a right end, colours; in ASCII where there is nothing else.

Pure. What comes from strangers goes through `shown` first, so that nothing in it can steer the terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

STYLES = {
    "": "",
    "strong": "1",
    "quiet": "2",
    "good": "32",
    "bad": "1;31",
    "warn": "33",
    "name": "1;36",
    "shared": "36",
}
IN_ASCII = {
    ord(one): plain
    for one, plain in zip("│├└─→…·█░●◐○✔✘", ("|", "|", "`", "-", "->", "...", "-", *"#.*o.+x"), strict=True)
}
NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: str = ""


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """`right` stands at the right edge; where there is no room for all, `left` is cut."""

    left: Spans
    right: Spans = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """A line, more lines that belong to it, and what grows out of it."""

    head: Line
    lines: tuple[Line, ...] = ()
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """`width` in columns; with `cut` no line is longer."""

    width: int = 80
    cut: bool = False
    colour: bool = False
    ascii: bool = False
    styles: Mapping[str, str] = field(default_factory=lambda: STYLES)


def shown(text: str) -> str:
    """A stranger's text on one line: whatever does not stand for itself in one or two columns is written out."""
    return "".join(one if _stands_for_itself(one) else _escaped(one) for one in text)


def width(text: str) -> int:
    """In columns, of text that was `shown`."""
    return len(text) if text.isascii() else sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def draw(tree: Branch, look: Look) -> str:
    lines = (_rendered(line, guide, look) for guide, line in _laid_out(tree, "", ""))
    return "".join(f"{line}\n" for line in lines)


def _stands_for_itself(one: str) -> bool:
    return one.isprintable() and (one.isascii() or not unicodedata.category(one).startswith("M"))


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()


def _laid_out(branch: Branch, first: str, rest: str) -> Iterator[tuple[str, Line]]:
    """Each line with what is drawn to the left of it."""
    yield first, branch.head
    for line in branch.lines:
        yield rest + ("│  " if branch.branches else "   "), line
    for position, child in enumerate(branch.branches):
        is_last = position == len(branch.branches) - 1
        yield from _laid_out(child, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "))


def _rendered(line: Line, guide: str, look: Look) -> str:
    left = _readied((Span(guide, "quiet"), *line.left), look)
    right = _readied(line.right, look)
    room = look.width - (_length(right) + 2 if right else 0)
    if look.cut:
        if room < NARROWEST:
            right, room = (), look.width
        left = _cut(left, room, "..." if look.ascii else "…")
        right = _cut(right, look.width, "")
    if right:
        gap = max(2, look.width - _length(left) - _length(right))
        left = (*left, Span(" " * gap), *right)
    return "".join(_painted(span, look) for span in _trimmed(left))


def _readied(spans: Sequence[Span], look: Look) -> Spans:
    if not look.ascii:
        return tuple(spans)
    return tuple(
        Span(one.text.translate(IN_ASCII).encode("ascii", "backslashreplace").decode(), one.style) for one in spans
    )


def _trimmed(spans: Spans) -> Spans:
    """Without spaces at the end."""
    while spans and (not spans[-1].text or spans[-1].text.endswith(" ")):
        rest = spans[-1].text.rstrip(" ")
        spans = (*spans[:-1], Span(rest, spans[-1].style)) if rest else spans[:-1]
    return spans


def _length(spans: Sequence[Span]) -> int:
    return sum(width(span.text) for span in spans)


def _cut(spans: Spans, room: int, mark: str) -> Spans:
    if _length(spans) <= room:
        return spans
    kept: list[Span] = []
    left = room - len(mark)
    for span in spans:
        text = span.text
        while width(text) > left:
            text = text[:-1]
        kept.append(Span(text, span.style))
        left -= width(text)
        if text != span.text:
            break
    return (*kept, Span(mark, "quiet"))


def _painted(span: Span, look: Look) -> str:
    code = look.styles[span.style]
    return f"\x1b[{code}m{span.text}\x1b[0m" if look.colour and code and span.text.strip() else span.text
