"""Layers for the image tests: tars made on the spot, and the view that overlayfs gives of them."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from podrun.image import inherited, layers

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> Member:
    """An entry of a tar; `fields` are those of TarInfo (mode, uid, linkname, devmajor, pax_headers and so on)."""
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    entry.size = len(content)
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry, content


def file(name: str, content: bytes = b"good", **fields: object) -> Member:
    return member(name, content=content, **fields)


def directory(name: str, **fields: object) -> Member:
    return member(name, tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str) -> Member:
    return member(name, tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Member:
    return member(name, tarfile.LNKTYPE, linkname=target)


def tar(*members: Member) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as out:
        for entry, content in members:
            out.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def unpack(place: Path, name: str, *members: Member, below: Sequence[Path] = ()) -> Path:
    """An unpacked layer in `place`, a directory that holds nothing but layers."""
    content = tar(*members)
    blob = place.parent / f"{name}.tar"
    blob.write_bytes(content)
    place.mkdir(exist_ok=True)
    (place / name).mkdir()
    inherited.dress(place / name, layers.unpack_tar(blob, digest(content), place / name), below)
    return place / name


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tree(root: Path) -> dict[str, str]:
    """All below `root`: relative name → what it is (text of a file, target of a link, "dir" and so on)."""
    seen: dict[str, str] = {}
    for parent, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(parent, name)
            seen[str(path.relative_to(root))] = _kind(path)
    return seen


def _kind(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"-> {os.readlink(path)}"
    if stat.S_ISREG(mode):
        return path.read_bytes().decode(errors="replace")
    return {stat.S_IFDIR: "dir", stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFIFO: "fifo"}[stat.S_IFMT(mode)]


def overlay_view(place: Path, names: Sequence[str], command: str) -> str:
    """What `command`, run by sh in the overlay of these layers (top to bottom), prints."""
    mount = f"cd {place} && mount -t overlay overlay -o lowerdir={':'.join(names)} /mnt && cd /mnt && {command}"
    call = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount]
    return subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout
