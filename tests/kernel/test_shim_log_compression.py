"""Compressing rotated logs in a child of the shim: as a shim, the parent has one thread."""

from __future__ import annotations

import gzip
from pathlib import Path

from podrun.shim import log_compression
from podrun.shim.loop import Loop
from tests.kernel import forked


def test_a_rotated_file_is_compressed_in_a_child(tmp_path: Path) -> None:
    rotated = tmp_path / "0.log.20260101-000000"
    rotated.write_bytes(b"text\n" * 100000)
    packed = rotated.with_name(rotated.name + ".gz")

    def shim() -> None:
        loop = Loop(lambda error: None)
        compressor = log_compression.Compressor(loop, delay=0.0)
        compressor.compress(str(rotated))
        compressor.compress(str(tmp_path / "0.log.20250101-000000"))  # deleted meanwhile

        def look() -> None:
            if packed.exists() and not rotated.exists():
                loop.stop()
            else:
                loop.after(0.01, look)

        look()
        loop.run()

    forked.in_child(shim)
    assert gzip.decompress(packed.read_bytes()) == b"text\n" * 100000
    assert [entry.name for entry in tmp_path.iterdir()] == [packed.name]
    assert packed.stat().st_mode & 0o777 == 0o640
