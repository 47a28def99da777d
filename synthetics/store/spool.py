"""Entries that wait on disk, oldest first, while the database is away.

Each process appends to a file of its own: one line an entry, its CRC-32 before it, flushed to the disk before
`append` returns. A file whose process has ended is adopted by whoever looks next, so what a killed worker had
written is recorded by its successor. A line that cannot be read (a torn tail, a broken disk) is put aside and
holds up none of the others.
"""

import fcntl
import json
import os
import time
import zlib
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from synthetics.errors import StoreError
from synthetics.store.entries import Created, Entry, Finished, Gone, Intended

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Bytes on the disk, at most.
LIMIT = 256 * 1024 * 1024
UNREADABLE = "unreadable.lines"
_SUFFIX = ".spool"
_KINDS: dict[str, TypeAdapter[Any]] = {
    kind.__name__.lower(): TypeAdapter(kind) for kind in (Finished, Intended, Created, Gone)
}


class SpoolFull(StoreError):
    """The database is away, and the spool has no room either."""


class Spool:
    """The entries that wait under one directory, for one process; its methods are called one at a time.

    Raises OSError where the disk refuses.
    """

    def __init__(self, directory: Path, *, limit: int = LIMIT) -> None:
        self._directory = directory
        self._limit = limit
        self._files: deque[_File] = deque()
        self._own: _File | None = None
        self._waiting = 0

    def __len__(self) -> int:
        """How many entries wait; may be asked from any thread."""
        return self._waiting

    def adopt(self) -> int:
        """Take over the files of processes that have ended; how many entries were in them."""
        mine = {file.path for file in self._files}
        found = sorted(path for path in self._directory.glob(f"*{_SUFFIX}") if path not in mine)
        adopted = [file for path in found if (file := _File.adopted(path)) is not None]
        for file in adopted:
            for line in file.unreadable:
                self._put_aside(line, "its checksum does not fit")
            log.info("spool.adopted", file=file.path.name, entries=len(file.waiting))
        self._files.extendleft(reversed(adopted))
        entries = sum(len(file.waiting) for file in adopted)
        self._waiting += entries
        self._forget_emptied()
        return entries

    def append(self, entry: Entry) -> None:
        """Keep one more entry; returns when it is on the disk. Raises SpoolFull, and OSError."""
        line = _line(entry)
        size = sum(file.size for file in self._files)
        if size + len(line) > self._limit:
            raise SpoolFull(f"the spool in {self._directory} is full: {len(self)} entries, {size} bytes")
        if self._own is None:
            self._own = _File.made(self._directory)
            self._files.append(self._own)
        self._own.append(line)
        self._waiting += 1

    def first(self) -> Entry | None:
        """The entry that has waited longest; None if none waits. What cannot be read is put aside."""
        while self._files:
            file = self._files[0]
            if not file.waiting:
                return None
            line = file.first()
            try:
                return _entry(line)
            except (ValueError, KeyError, ValidationError) as error:
                self._put_aside(line, str(error).splitlines()[0])
                self.done()
        return None

    def done(self) -> None:
        """The first entry is kept elsewhere: let it go."""
        self._files[0].waiting.popleft()
        self._waiting -= 1
        self._forget_emptied()

    def refuse(self, reason: str) -> None:
        """The first entry can never be kept elsewhere: put it aside, and let the others pass."""
        self._put_aside(self._files[0].first(), reason)
        self.done()

    def close(self) -> None:
        """Let go of the files; what waits stays on the disk for whoever comes next."""
        self._forget_emptied()
        for file in self._files:
            file.close(remove=not file.waiting)
        self._files.clear()
        self._own = None

    def _forget_emptied(self) -> None:
        while self._files and not self._files[0].waiting:
            emptied = self._files.popleft()
            emptied.close(remove=True)
            if emptied is self._own:
                self._own = None

    def _put_aside(self, line: bytes, reason: str) -> None:
        aside = self._directory / UNREADABLE
        log.error("spool.unreadable", reason=reason, kept_in=str(aside), bytes=len(line))
        with aside.open("ab") as file:
            file.write(line.rstrip(b"\n") + b"\n")


class _File:
    """One file of lines, locked by this process; `waiting` are the places of those not yet let go."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self.waiting: deque[tuple[int, int]] = deque()
        self.unreadable: list[bytes] = []
        self._descriptor = descriptor

    @classmethod
    def made(cls, directory: Path) -> "_File":
        """A new file, locked before anybody else can see it."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{time.time_ns():020}-{os.getpid()}{_SUFFIX}"
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path)
        parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(parent)
        os.close(parent)
        return cls(path, descriptor)

    @classmethod
    def adopted(cls, path: Path) -> "_File | None":
        """A file that nobody holds, with its lines found; None if somebody does, or it is gone."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink == 0:  # whoever held it has emptied and removed it
            os.close(descriptor)
            return None
        file = cls(path, descriptor)
        file._find_lines()
        return file

    def append(self, line: bytes) -> None:
        """Write one line and see it to the disk; a line that did not fit leaves no trace."""
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._descriptor, line[written:], self.size + written)
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.waiting.append((self.size, len(line)))
        self.size += len(line)

    def first(self) -> bytes:
        offset, length = self.waiting[0]
        return os.pread(self._descriptor, length, offset)

    def close(self, *, remove: bool) -> None:
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _find_lines(self) -> None:
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # the tail of a process that was killed: `append` had not returned
                if _sound(line):
                    self.waiting.append((self.size, len(line)))
                else:
                    self.unreadable.append(line)
                self.size += len(line)


def _line(entry: Entry) -> bytes:
    kind = type(entry).__name__.lower()
    body = json.dumps([kind, _KINDS[kind].dump_python(entry)], default=_plain).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)


def _sound(line: bytes) -> bool:
    told, _, body = line.rstrip(b"\n").partition(b" ")
    return told == b"%08x" % zlib.crc32(body)


def _entry(line: bytes) -> Entry:
    """Raises ValueError, KeyError or ValidationError for a line that another version wrote."""
    kind, told = json.loads(line.partition(b" ")[2])
    entry: Entry = _KINDS[kind].validate_python(told)
    return entry
