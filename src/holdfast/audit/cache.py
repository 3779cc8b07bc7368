"""Keeps facts of contents between audits, so that a second build costs only what changed.

A confined child must be taken for hostile once it has opened an image. It therefore reads the cache
of its own scope only, writes none, and what it hands out is stored in the same scope again, without
being looked at: an image can spoil nothing but what is known of its own product.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from holdfast.audit.facts.shapes import FileFacts
from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole

FORMAT: Final = 1
MOST_SCOPE_BYTES: Final = 64 * 1024**2
MOST_BYTES: Final = 1024**3
_SUFFIX: Final = ".facts"


def default_folder() -> Path:
    """Say where the cache lies unless told: below `$XDG_CACHE_HOME`."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(home) / "holdfast" / "audit"


def scope_of(*, product: str, sha256: str) -> str:
    """Name the scope: the product if it is known, else the very image."""
    return f"product {product}" if product else f"image {sha256}"


class Store:
    """The folder of all scopes; the parent's side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, scope: str) -> Path:
        return self._folder / (hashlib.sha256(scope.encode()).hexdigest()[:32] + _SUFFIX)

    def open(self, scope: str) -> int | None:
        """Open what is known in a scope for reading; None if nothing is."""
        with suppress(OSError):
            handle = os.open(self._place(scope), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with suppress(OSError):
                os.utime(handle)  # what was used last goes last
            return handle
        return None

    def keep(self, scope: str, content: bytes) -> bool:
        """Replace what is known in a scope; tell whether that could be done.

        A cache that cannot be written costs time, not the audit.
        """
        if not content or len(content) > MOST_SCOPE_BYTES:
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._place(scope), content, mode=0o600)
            self._tidy()
        except (OSError, NoSpaceError):
            return False
        return True

    def _tidy(self) -> None:
        """Remove the scopes that were not used for longest, until the rest fits."""
        known: list[tuple[float, int, Path]] = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):
                about = path.lstat()
                known.append((about.st_mtime, about.st_size, path))
        total = 0
        for _, size, path in sorted(known, reverse=True):
            total += size
            if total > MOST_BYTES:
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known in a scope.

    Attributes:
        rules: Digest of the rules that the facts were made with.
        facts: Of contents, by the digest of the content.
        barren: Digests of regions in which foreign readers found nothing.
    """

    rules: str
    facts: Mapping[str, FileFacts]
    barren: frozenset[str] = frozenset()


class _Stored(msgspec.Struct, array_like=True):
    format: int
    rules: str
    facts: list[FileFacts]
    barren: list[str]


def load(fd: int, rules: str) -> Known:
    """Read what is known; nothing if it is damaged, too long, or of other rules."""
    content = b""
    with suppress(OSError):
        content = os.pread(fd, MOST_SCOPE_BYTES + 1, 0)
    try:
        if len(content) > MOST_SCOPE_BYTES:
            raise msgspec.DecodeError  # noqa: TRY301 - as good as damaged
        stored = msgspec.msgpack.decode(content, type=_Stored)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Known(rules=rules, facts={})
    if stored.format != FORMAT or stored.rules != rules:
        return Known(rules=rules, facts={})
    return Known(
        rules=rules,
        facts={each.sha256: each for each in stored.facts},
        barren=frozenset(stored.barren),
    )


def dump(rules: str, facts: Iterable[FileFacts], barren: Iterable[str]) -> bytes:
    """Make what shall be known in a scope; the first facts count most where not all fit."""
    encoder = msgspec.msgpack.Encoder()
    whole: list[FileFacts] = []
    size = 1024
    for each in facts:
        size += len(encoder.encode(each))
        if size > MOST_SCOPE_BYTES // 2:
            break
        whole.append(each)
    return encoder.encode(_Stored(FORMAT, rules, whole, sorted(barren)[:10_000]))
