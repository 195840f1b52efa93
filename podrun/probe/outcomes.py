"""What one probe found. The text is what an event then says, in the kubelet's words."""

from __future__ import annotations

from dataclasses import dataclass

MOST_OUTPUT = 10 << 10  # bytes that are kept of an answer or a command's output (pkg/probe)


@dataclass(frozen=True, slots=True)
class Succeeded:
    text: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """A success that deserves a word."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    text: str
    nobody_listens: bool = False  # the connection was refused: no server saw the probe


@dataclass(frozen=True, slots=True)
class Errored:
    """The probe itself went wrong, which says nothing about the container."""

    text: str
    state: str = "unknown"  # what the kubelet calls its result in the event


Outcome = Succeeded | Warned | Failed | Errored
