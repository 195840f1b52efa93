"""Objects in SQLite: wishes, status and events under one resourceVersion, and a watch feed over them."""

from __future__ import annotations

from podrun.store.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    NotFoundError,
    StoreError,
    WriteFailedError,
)
from podrun.store.feed import Watch, WatchEvent
from podrun.store.store import Store

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "ExpiredError",
    "NotFoundError",
    "Store",
    "StoreError",
    "Watch",
    "WatchEvent",
    "WriteFailedError",
]
