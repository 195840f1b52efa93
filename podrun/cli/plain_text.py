"""Text that may come from within a container, on its way to somebody's terminal: nothing in it steers that."""

from __future__ import annotations

_AS_KUBECTL = {"\x1b": "^[", "\r": "\\r"}
"""cli-runtime, pkg/printers/terminal.go, which knows no more than these."""
_KEPT = "\n\t"
_STEERING = ("Cc", "Cf", "Cs")  # categories of Unicode: controls, marks that turn the direction of writing, surrogates

_IN_JSON = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def plain(text: str) -> str:
    """`text` without what moves a terminal's cursor, colours it, or lets a reader see other letters than there are."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _KEPT else _shown(one) for one in text)


def plain_json(text: str) -> str:
    """JSON that means the same: what is written as it is, though it is a control."""
    return text.translate(_IN_JSON)


def _shown(one: str) -> str:
    import unicodedata

    if unicodedata.category(one) not in _STEERING:
        return one
    return _AS_KUBECTL.get(one) or one.encode("unicode_escape").decode()
