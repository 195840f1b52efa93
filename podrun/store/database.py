"""The SQLite file and the one thread that writes to it. Knows rows, not what objects mean.

Writes that wait together are committed together. A batch with a durable write in it is on the disk (synchronous FULL)
when it is reported; any other survives the end of the process, but perhaps not a power cut (synchronous NORMAL).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from podrun.store import errors

SCHEMA_VERSION = 1

RESERVE = 1 << 20
"""Bytes kept aside, so that on a full disk what is there can still be changed and deleted."""

LOG_PAGES = 200
"""Of 4 KiB, after which the write-ahead log goes into the file: together less than the reserve."""

RESERVE_RETRY = 10.0
"""Seconds between attempts to have the reserve again."""

SCHEMA = """
CREATE TABLE objects (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, object BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE records (uid TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (resource_version INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
"""

PUT_OBJECT = "INSERT OR REPLACE INTO objects (kind, namespace, name, object) VALUES (?, ?, ?, ?)"
DROP_OBJECT = "DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"
PUT_RECORD = "INSERT OR REPLACE INTO records (uid, record) VALUES (?, ?)"
DROP_RECORD = "DELETE FROM records WHERE uid = ?"
COUNT = "UPDATE counter SET resource_version = ?"

Statement = tuple[str, tuple[str | bytes | int, ...]]


@dataclass(frozen=True, slots=True)
class Write:
    """Statements that belong into one transaction. Those of an epoch that has failed once all fail: each may build
    upon one that is lost."""

    statements: tuple[Statement, ...]
    durable: bool
    may_use_reserve: bool
    epoch: int
    loop: asyncio.AbstractEventLoop
    settled: Callable[[errors.WriteFailedError | None], None]


class Database:
    """Opened and read by the caller's thread, written by a thread of its own until `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _open(path)
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._synchronous = ""
        self._reserve = path.with_name(path.name + ".reserve")
        self._reserve_wanted = 0.0  # next attempt to have it, by time.monotonic(); inf while it is there
        self._failed_epoch = -1
        self._failure: errors.WriteFailedError | None = None
        self._thread: threading.Thread | None = None

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Kind and JSON of every object; only before `start`."""
        yield from self._connection.execute("SELECT kind, object FROM objects")

    def records(self) -> dict[str, bytes]:
        """The runtime records by pod uid; only before `start`."""
        return dict(self._connection.execute("SELECT uid, record FROM records"))

    def resource_version(self) -> int:
        """The last one that was handed out; only before `start`."""
        (version,) = self._connection.execute("SELECT resource_version FROM counter").fetchone()
        return int(version)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Have it committed in its turn; `settled` is then called on the write's event loop."""
        self._queue.put(write)

    def close(self) -> None:
        """Commit what waits and close the file."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        open_ = True
        while open_:
            batch: list[Write] = []
            waiting = self._queue.get()
            while waiting is not None:
                batch.append(waiting)
                try:
                    waiting = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                open_ = False
            if batch:
                self._commit(batch)

    def _commit(self, batch: Sequence[Write]) -> None:
        lost = [write for write in batch if write.epoch <= self._failed_epoch]
        kept = [write for write in batch if write.epoch > self._failed_epoch]
        _settle(lost, self._failure)
        if not kept:
            return
        try:
            try:
                self._transact(kept)
            except sqlite3.Error as error:
                if not self._make_room(error, kept):
                    raise
                self._transact(kept)
            self._have_reserve()
        except sqlite3.Error as error:
            self._failed_epoch = kept[-1].epoch
            self._failure = errors.WriteFailedError(f"cannot write to {self._path}: {error}")
        _settle(kept, self._failure if kept[-1].epoch <= self._failed_epoch else None)

    def _have_reserve(self) -> None:
        if time.monotonic() < self._reserve_wanted:
            return
        try:
            fd = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE)
            finally:
                os.close(fd)
            self._reserve_wanted = math.inf
        except OSError:
            self._reserve.unlink(missing_ok=True)
            self._reserve_wanted = time.monotonic() + RESERVE_RETRY

    def _make_room(self, error: sqlite3.Error, batch: Sequence[Write]) -> bool:
        """Whether it is worth trying again: on a full disk, for what may use the reserve."""
        full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
        if not full or not any(write.may_use_reserve for write in batch):
            return False
        self._reserve.unlink(missing_ok=True)
        self._reserve_wanted = time.monotonic() + RESERVE_RETRY
        # The log goes into the file, which the reserve has room for, and begins again at length 0.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return True

    def _transact(self, batch: Sequence[Write]) -> None:
        wanted = "FULL" if any(write.durable for write in batch) else "NORMAL"
        if wanted != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            for write in batch:
                for statement, values in write.statements:
                    execute(statement, values)
            execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise


def _settle(batch: Sequence[Write], failure: errors.WriteFailedError | None) -> None:
    if not batch:
        return

    def settle() -> None:
        for write in batch:
            write.settled(failure)

    # A closed loop has nobody left who waits.
    with contextlib.suppress(RuntimeError):
        batch[0].loop.call_soon_threadsafe(settle)


def _open(path: Path) -> sqlite3.Connection:
    try:
        # SQLite gives its -wal and -shm files the mode of the main file; objects hold secrets.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
    except (OSError, sqlite3.Error) as error:
        raise errors.StoreError(f"cannot open {path}: {error}") from error
    if version > SCHEMA_VERSION:
        connection.close()
        raise errors.StoreError(
            f"cannot open {path}: its schema version is {version}, this podrun knows {SCHEMA_VERSION}",
            hint="it was written by a newer podrun; install that one",
        )
    return connection
