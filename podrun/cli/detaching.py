"""The keys that leave a session without ending it, in Docker's notation: `ctrl-p,ctrl-q`. Pure."""

from __future__ import annotations

from podrun.errors import PodrunError

DEFAULT = "ctrl-p,ctrl-q"
_CONTROLLED = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse(text: str) -> bytes:
    """The bytes that a terminal sends for these keys. PodrunError: no such key."""
    return bytes(_code(key) for key in text.split(",")) if text else b""


def _code(key: str) -> int:
    control = key.removeprefix("ctrl-")
    if key != control and len(control) == 1 and control in _CONTROLLED:
        return _CONTROLLED.index(control)
    if len(key) == 1 and key.isascii():
        return ord(key)
    raise PodrunError(f"could not bind detach keys: Unknown character: '{key}'")


class Detacher:
    """Looks for the sequence in what is typed. A beginning of it is kept back until it is known what follows."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._matched = 0
        self.is_detached = False

    def feed(self, typed: bytes) -> bytes:
        """What is to be passed on. After the sequence nothing is."""
        if not self._sequence:
            return typed
        passed = bytearray()
        for byte in typed:
            if self._matched and byte != self._sequence[self._matched]:
                passed += self._sequence[: self._matched]
                self._matched = 0
            if byte == self._sequence[self._matched]:
                self._matched += 1
            else:
                passed.append(byte)
            if self._matched == len(self._sequence):
                self.is_detached = True
                break
        return bytes(passed)
