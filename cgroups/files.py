"""Reading and writing the kernel's small files by plain descriptors: buffered files cost more and drop empty writes."""

from __future__ import annotations

import os


def read(path: str) -> str:
    """The whole file, however long (cgroup.procs of a large group does not fit one read)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks).decode()
    finally:
        os.close(descriptor)


def write(path: str, value: str) -> None:
    """One write(2): the kernel takes or refuses the value as a whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def keyed(text: str) -> dict[str, int]:
    """A flat keyed file such as cpu.stat or memory.events: `name number` on each line."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].lstrip("-").isdigit()}
