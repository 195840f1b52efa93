"""What is wrong with an image's bytes. The facade (store.py) puts "cannot load image X:" in front of it."""

from __future__ import annotations


class BadImage(Exception):
    """An archive, layer, manifest or config that can't be used. The text says why, not what was tried."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def shown(name: str) -> str:
    """A name from an archive as one short printable line in quotes, whatever bytes it is made of."""
    printable = name.encode("utf-8", "backslashreplace").decode()
    printable = "".join(c if c.isprintable() and c != '"' else c.encode("unicode_escape").decode() for c in printable)
    return f'"{printable}"' if len(printable) <= 200 else f'"{printable[:200]}…"'
