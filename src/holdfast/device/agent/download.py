"""Getting a large file that may be cut, endless, changed or slow: what is here is never lost."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import full_disk_named
from holdfast.device.agent.errors import GoneError, HubUnreachableError
from holdfast.device.agent.hub import Hub, must_be_fine
from holdfast.updates.errors import CutShortError, MissingError, TooLongError

MOST_EMPTY_TRIES = 8
"""So many connections in a row may bring nothing before the offer is given up."""

_CHUNK = 1 << 16
_SYNC_EVERY = 1 << 22
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
_SLOW_OVER_S = 30.0
_SLOWEST_BYTES = 30 * 512
_SPARE_BYTES = 1 << 24
_LONGEST_TAG = 200
_PARTIAL, _WHOLE, _PAST_END = 206, 200, 416


class StoppedError(Exception):
    """The process is to end; what is here stays."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """What must survive a restart of a download.

    Attributes:
        tag: The hub's name for exactly this content; empty if it gave none.
        received: Bytes that came over the network for this offer, those thrown away included.
        empty_tries: Connections in a row that brought nothing.
    """

    tag: str = ""
    received: int = 0
    empty_tries: int = 0


def must_have_room(folder: Path, missing_bytes: int) -> None:
    """Refuse to begin what cannot end.

    Raises:
        NoSpaceError: There is less than what is missing and a little to spare.
    """
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < missing_bytes + _SPARE_BYTES // 16:
        error = NoSpaceError(
            f"The update needs {missing_bytes // 1_000_000 + 1} MB of space, "
            f"but only {free // 1_000_000} MB are free."
        )
        error.hint = "Free some space on the device; then it can be offered this update again."
        raise error


@dataclass(kw_only=True)
class Download:
    """One file that is being fetched.

    Attributes:
        hub: Where it comes from.
        path: Its path there.
        part: The unfinished file.
        size_bytes: The signed length.
        progress: What survives a restart.
        tell: Called with the number of bytes that are here.
        stopped: Whether the process is to end.
    """

    hub: Hub
    path: str
    part: Path
    size_bytes: int
    progress: Progress
    tell: Callable[[int], None]
    stopped: Callable[[], bool]

    def advance(self) -> bool:
        """Get as much as one connection brings; tell whether all is here.

        Raises:
            TooLongError: More comes than was signed.
            CutShortError: Too many connections brought nothing, or the budget is used up.
            MissingError: The hub does not have the file.
            NoSpaceError: The disk is full.
            HubError: Try again later; what is here stays.
            StoppedError: The process is to end.
        """
        with full_disk_named(self.part), self.part.open("ab") as file:
            have = file.tell()
            if have > self.size_bytes:
                file.truncate(0)
                have = 0
            if have == self.size_bytes:
                return True
            must_have_room(self.part.parent, self.size_bytes - have)
            before = self.progress.received
            try:
                with self.hub.open(self.path, self._headers(have)) as answer:
                    have = self._begin(answer, file.fileno(), have)
                    have = self._receive(answer, file.fileno(), have)
            except GoneError as error:
                raise MissingError(
                    "The update server no longer has the file that it offered."
                ) from error
            finally:
                os.fsync(file.fileno())
                if self.progress.received > before:
                    self.progress.empty_tries = 0
            if self.progress.received == before:
                self.progress.empty_tries += 1
        return have == self.size_bytes

    def _headers(self, have: int) -> dict[str, str]:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.progress.tag:
                headers["If-Range"] = self.progress.tag
        return headers

    def _begin(self, answer: HTTPResponse, handle: int, have: int) -> int:
        """Read the head of the answer; return at which byte its body begins."""
        if answer.status == _PAST_END:
            self.progress.empty_tries += 1
            raise HubUnreachableError("The file on the update server ends too early.")
        if answer.status != _PARTIAL:
            must_be_fine(answer.status)
        start = 0
        if answer.status == _PARTIAL:
            found = _RANGE.fullmatch(answer.getheader("Content-Range", ""))
            if found is None or int(found.group(1)) != have:
                os.ftruncate(handle, 0)
                self.progress.tag = ""
                self.progress.empty_tries += 1
                raise HubUnreachableError("The update server answers with another part.")
            start = have
            self._must_not_exceed(int(found.group(3)))
        length = answer.getheader("Content-Length", "")
        if _LENGTH.fullmatch(length):
            self._must_not_exceed(start + int(length))
        if start != have:
            os.ftruncate(handle, start)
        tag = answer.getheader("ETag", "")
        self.progress.tag = tag if tag.startswith('"') and len(tag) <= _LONGEST_TAG else ""
        return start

    def _must_not_exceed(self, length: int) -> None:
        if length > self.size_bytes:
            raise TooLongError(
                f"The update server sends {length} bytes where {self.size_bytes} were signed, "
                "so the transfer was cut off."
            )

    def _receive(self, answer: HTTPResponse, handle: int, have: int) -> int:
        budget = 3 * self.size_bytes + _SPARE_BYTES
        synced, slow_since, slow_bytes = have, time.monotonic(), 0
        while True:
            chunk = answer.read1(_CHUNK)
            if not chunk:
                return have
            self.progress.received += len(chunk)
            if have + len(chunk) > self.size_bytes:
                raise TooLongError(
                    f"More than the signed {self.size_bytes} bytes arrive, "
                    "so the transfer was cut off."
                )
            if self.progress.received > budget:
                raise CutShortError(
                    "The download was cut so often that it was given up to spare your connection."
                )
            with full_disk_named(self.part):
                os.write(handle, chunk)
            have += len(chunk)
            slow_bytes += len(chunk)
            self.tell(have)
            if have - synced >= _SYNC_EVERY:
                os.fsync(handle)
                synced = have
            if self.stopped():
                raise StoppedError
            now = time.monotonic()
            if now - slow_since >= _SLOW_OVER_S:
                if slow_bytes < _SLOWEST_BYTES:
                    raise HubUnreachableError("The update server sends too slowly.")
                slow_since, slow_bytes = now, 0


def must_go_on(progress: Progress) -> None:
    """Give up after too many connections that brought nothing although the hub answered.

    Raises:
        CutShortError: It is enough.
    """
    if progress.empty_tries >= MOST_EMPTY_TRIES:
        raise CutShortError(
            "The file on the update server is shorter than the one that the manufacturer signed."
        )
