"""A log whose reader knows where it is, so that it can go on there with the next kubelet. Pure.

Frames are `<length of the text> <place after it>\\n<text>`, and at the end `0 end\\n`. For podrun's own client.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTENT_TYPE = "application/vnd.podrun.log"

END = b"0 end\n"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in one file of a log: known again by its inode and by the time of its first entry, as inodes are given
    anew. `offset` is where an entry begins."""

    inode: int
    born: str
    offset: int


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where the log of a container was read. `mark` None: nothing of this run yet."""

    uid: str
    attempt: int
    mark: Mark | None
    in_line: bool  # the next entry goes on with a line


def frame(text: bytes, place: Place) -> bytes:
    return b"%d %s\n%b" % (len(text), written(place).encode(), text)


def written(place: Place) -> str:
    mark = place.mark or Mark(0, "", 0)
    return f"{place.uid},{place.attempt},{int(place.in_line)},{mark.inode},{mark.offset},{mark.born}"


def read(text: str) -> Place:
    """ValueError: it is none."""
    uid, attempt, in_line, inode, offset, born = text.split(",")
    mark = Mark(int(inode), born, int(offset))
    if mark.offset < 0:
        raise ValueError(f"negative offset {mark.offset}")
    return Place(uid, int(attempt), mark if mark.inode else None, in_line == "1")
