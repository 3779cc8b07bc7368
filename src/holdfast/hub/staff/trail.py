"""The audit trail: a chain of entries that cannot be changed without it being noticed.

Every entry holds the digest of the one before. That shows a changed, inserted or removed entry,
but not a trail that was cut off at its end: for that the newest number and digest also stand in a
file outside the database (`trail-head.json`), and `holdfast hub verify-trail` prints them, so that
they can be kept where whoever controls this machine cannot reach.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from holdfast.core.errors import HoldfastError, UsageError
from holdfast.core.files import write_whole
from holdfast.hub.staff.models import Entry, SetupLink

FIRST = "0" * 64
log = structlog.get_logger()


class TrailError(HoldfastError):
    """The audit trail is not as it was written."""

    code = "trail-broken"
    exit_code = 1
    hint = "Keep a copy of the state folder as it is, and compare it with a backup."


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest entry.

    Attributes:
        seq: Its number; 0 when there is none.
        digest: Its digest, 64 lower-case hexadecimal digits.
    """

    seq: int = 0
    digest: str = FIRST


def digest_of(entry: Entry) -> str:
    """Hash everything in an entry but its own digest, as canonical JSON."""
    fields = {
        "seq": entry.seq,
        "at_ms": entry.at_ms,
        "by": entry.by,
        "what": entry.what,
        "subject": entry.subject,
        "why": entry.why,
        "facts": entry.facts,
        "previous": entry.previous,
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_head(path: Path) -> Head | None:
    """Read the head file.

    Returns:
        What it says, or None if there is no such file.

    Raises:
        TrailError: It is there and cannot be understood.
    """
    try:
        content = json.loads(path.read_bytes())
        return Head(seq=int(content["seq"]), digest=str(content["digest"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise TrailError(f"the head file {path} cannot be understood") from error


def parse_head(text: str) -> Head:
    """Read `NUMBER:DIGEST`, as `holdfast hub verify-trail` prints it.

    Raises:
        UsageError: It is something else.
    """
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != len(FIRST):
        raise UsageError(f"{text!r} is not NUMBER:DIGEST")
    return Head(seq=int(number), digest=digest)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def write_head(path: Path, head: Head) -> None:
    """Move the head file forward; never back, and never over a trail that lost what it had.

    A trail that was cut off must not be made whole again by the next entry: as long as the entry
    that the head file names is not in the table, the file stays as it is, as evidence.
    """
    with _locked(path):
        try:
            known = read_head(path) or Head()
        except TrailError as error:
            log.error("trail.found_broken", reason=str(error))  # noqa: TRY400 - no stack needed
            return
        if known.seq >= head.seq:
            return
        if known.seq and not Entry.objects.filter(seq=known.seq, digest=known.digest).exists():
            log.error("trail.found_broken", reason="the entry that the head file names is gone")
            return
        line = json.dumps({"seq": head.seq, "digest": head.digest})
        write_whole(path, line.encode() + b"\n", mode=0o600)


def verify(path: Path, *, expected: Head | None = None) -> Head:
    """Walk the whole chain and compare its end with the head file.

    Args:
        path: The head file.
        expected: An older head that was kept elsewhere and must still be part of the chain.

    Returns:
        The newest entry.

    Raises:
        TrailError: Some entry was changed, removed or added; the first such is named.
    """
    marks = [mark for mark in (read_head(path), expected) if mark is not None]
    head = Head()
    for entry in Entry.objects.order_by("seq").iterator(chunk_size=1000):
        if entry.seq != head.seq + 1:
            raise TrailError(f"entry {head.seq + 1} is missing; the next one is {entry.seq}")
        if entry.previous != head.digest:
            raise TrailError(f"entry {entry.seq} does not follow entry {head.seq}")
        if digest_of(entry) != entry.digest:
            raise TrailError(f"entry {entry.seq} was changed after it was written")
        head = Head(seq=entry.seq, digest=entry.digest)
        if any(mark.seq == head.seq and mark.digest != head.digest for mark in marks):
            raise TrailError(f"entry {head.seq} was replaced: it is not the one noted outside")
    lost = max((mark.seq for mark in marks), default=0)
    if lost > head.seq:
        raise TrailError(f"entries {head.seq + 1} to {lost} were cut off")
    if not head.seq and SetupLink.objects.exists():
        # Nobody has an account without a link, and no link is made without an entry.
        raise TrailError("every entry is gone, and the hub was in use")
    if head.seq and read_head(path) is None:
        raise TrailError(f"the head file {path} is gone, so a cut-off end could not be noticed")
    return head
