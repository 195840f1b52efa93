"""What the kubelet and the process that fetches one image tell each other, as lines of JSON."""

from __future__ import annotations

import msgspec

from podrun.registry.skopeo import Source


class Job(msgspec.Struct, frozen=True):
    """One image to fetch. `manifest` is what `digest` stands for; `names` are full references."""

    parent: int  # the process that wants it: without that, nobody does
    images: str  # directory
    source: Source
    digest: str
    manifest: bytes
    media_type: str
    names: tuple[str, ...]
    origin: str  # repository@digest, of an index where the name means one


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Bytes of the layers, as they are transported, and numbers of layers."""

    fetched: int
    total: int
    unpacked: int
    layers: int


class Done(msgspec.Struct, frozen=True, tag=True):
    pass


class Failed(msgspec.Struct, frozen=True, tag=True):
    reason: str
    hint: str | None = None
    is_refused: bool = False
    is_unavailable: bool = False


Report = Progress | Done | Failed
