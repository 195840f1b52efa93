"""What the verbs of `podrun image` say alike."""

from __future__ import annotations

from typing import Any

IMAGES = "/podrun/v1/images"


def say(word: str, image: dict[str, Any]) -> None:
    for name in image.get("names") or [image["id"]]:
        print(f"image/{name} {word}")


def size_text(size: float) -> str:
    """Bytes in decimal units with three digits, as image tools say it: 4.26MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g}{unit}" if size < 1000 else f"{size:.0f}{unit}"
