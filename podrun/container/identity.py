"""Who the program is: names looked up inside the finished root, and privileges given up for good."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from podrun.container.newborn import StepError
from podrun.container.plan import Identity
from podrun.linux import capabilities, prctl, seccomp
from podrun.linux.openat2 import openat2

_LARGEST_FILE = 4 << 20  # bytes; an image with more users than that is an attack
LARGEST_ID = (1 << 31) - 1
_SYS_ADMIN = 1 << capabilities.NUMBERS["SYS_ADMIN"]


@dataclass(frozen=True, slots=True)
class Account:
    """`groups` are all groups of the process, its primary one first."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def look_up(root: int, identity: Identity, largest: int = LARGEST_ID) -> Account:
    """Resolve names by /etc/passwd and /etc/group in `root` (a descriptor). StepError for a name that is not there,
    or a number above `largest`."""
    name, uid, gid, home = _user(root, identity.user)
    entries = list(_entries(root, "/etc/group", 4)) if identity.group or (identity.image_groups and name) else []
    if identity.group:
        gid = _group(entries, identity.group)
    groups = [gid, *identity.groups]
    if identity.image_groups and name:
        groups += [int(entry[2]) for entry in entries if name in entry[3].split(",") and entry[2].isdecimal()]
    for number in (uid, *groups):
        # setresuid(2) takes 2**32 - 1 as "leave it as it is": the program would be root.
        if number > largest:
            raise StepError(errno.EINVAL, f"user and group numbers go up to {largest}, not {number}")
    return Account(uid, gid, tuple(dict.fromkeys(groups)), home)


def _user(root: int, user: str) -> tuple[str, int, int, str]:
    column = 2 if user.isdecimal() else 0
    for entry in _entries(root, "/etc/passwd", 7):
        if entry[column] == user and entry[2].isdecimal() and entry[3].isdecimal():
            return entry[0], int(entry[2]), int(entry[3]), entry[5] or "/"
    if not user.isdecimal():
        raise StepError(errno.ENOENT, f"unable to find user {user}: no matching entries in passwd file")
    return "", int(user), 0, "/"


def _group(entries: list[list[str]], group: str) -> int:
    for entry in entries:
        if entry[0] == group and entry[2].isdecimal():
            return int(entry[2])
    if not group.isdecimal():
        raise StepError(errno.ENOENT, f"unable to find group {group}: no matching entries in group file")
    return int(group)


def _entries(root: int, path: str, fields: int) -> Iterator[list[str]]:
    for line in _read(root, path).splitlines():
        entry = line.strip().split(":")
        if len(entry) >= fields and not line.startswith("#"):
            yield entry


def _read(root: int, path: str) -> str:
    """A regular file of the image; anything else (a FIFO would never end) counts as absent."""
    try:
        descriptor = openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV):
            return ""
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ""
        if status.st_size > _LARGEST_FILE:
            raise StepError(errno.EFBIG, f"cannot look up users: {path} of the image has {status.st_size} bytes")
        chunks: list[bytes] = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
            if len(chunks) * 65536 > _LARGEST_FILE + 65536:
                break
        return b"".join(chunks).decode(errors="surrogateescape")
    finally:
        os.close(descriptor)


def drop_privileges(identity: Identity, account: Account, *, filtered: bool) -> None:
    """Become `account` with no more than `identity.capabilities`. For uid 0 exec gives the bounding set.

    A seccomp filter needs CAP_SYS_ADMIN or no_new_privs: where one follows (`filtered`) without the latter, the
    capability stays permitted, though not effective, until exec takes away all that is not in the bounding set.
    """
    kept = _SYS_ADMIN if filtered and not identity.no_new_privs else 0
    capabilities.limit_bounding_set(identity.capabilities)
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    prctl.set_keep_capabilities(bool(kept))
    os.setresuid(account.uid, account.uid, account.uid)
    allowed = identity.capabilities & capabilities.permitted() if account.uid == 0 else 0
    capabilities.capset(allowed | kept, allowed)
    if identity.no_new_privs:
        prctl.set_no_new_privs()


def load_filter(identity: Identity, program: bytes) -> None:
    """As the last thing before exec: of the calls in between, a strict profile need not know any."""
    if not identity.no_new_privs:
        permitted = capabilities.permitted()
        capabilities.capset(permitted, permitted)
    seccomp.load(program)
