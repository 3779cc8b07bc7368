"""Writes the log of logins: two files for who got in, two for who did not; each bounded."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from holdfast.accounts.logins import (
    MOST_BYTES,
    PAGE,
    Entry,
    Repeats,
    entries_of,
    line_of,
)
from holdfast.core.errors import NoSpaceError

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_GOT_IN = frozenset({"in", "recovered"})


class Book:
    """The log of one device.

    Args:
        folder: Where its files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._repeats = Repeats()
        self._lock = Lock()
        self._begun: set[Path] = set()

    def note(self, entry: Entry) -> None:
        """Note a login or a failure; on a full disk it is only not noted."""
        with self._lock:
            worth = self._repeats.worth_writing(entry)
            if worth is None:
                return
            path = self._path("in" if entry.result in _GOT_IN else "failed")
            with suppress(OSError, NoSpaceError):
                if path.exists() and path.stat().st_size > MOST_BYTES:
                    path.replace(path.with_suffix(".1.jsonl"))
                with os.fdopen(os.open(path, _APPEND, 0o600), "ab") as file:
                    if path not in self._begun and file.tell():
                        file.write(b"\n")  # the power may have cut the last line short
                    self._begun.add(path)
                    file.write(line_of(worth))

    def page(self, kind: str, number: int) -> tuple[list[Entry], int]:
        """Give one page, newest first, and how many there are.

        Args:
            kind: `in` or `failed`.
            number: From 0.
        """
        with self._lock:
            entries = list(self._entries(kind))
        entries.reverse()
        pages = max(1, -(-len(entries) // PAGE))
        return entries[number * PAGE : (number + 1) * PAGE], pages

    def _entries(self, kind: str) -> Iterator[Entry]:
        path = self._path(kind)
        for file in (path.with_suffix(".1.jsonl"), path):
            with suppress(OSError), file.open("rb") as content:
                yield from entries_of(content.read(2 * MOST_BYTES).splitlines())

    def _path(self, kind: str) -> Path:
        return self._folder / f"logins-{kind}.jsonl"
