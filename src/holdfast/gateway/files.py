"""Sending of files: whole, from where a cut download ended, or only if still the same.

The server sends whole files by itself (the ASGI extension `http.response.pathsend`); a part of a
file is read in small pieces by a thread, and each piece waits until the one before it is on its
way. Neither holds more than a few hundred kilobytes for a download, however slow the client, and
only so many parts of files are sent at the same time.
"""

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

from holdfast.gateway.exchange import Exchange, Header, Refusal

PIECE_BYTES = 64 << 10
PIECE_TIMEOUT_S = 60.0
PLACES = 512
BUSY_S = 10
_RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """A file that may be sent.

    Attributes:
        path: Where it is, resolved, inside the repository.
        size_bytes: Length that it must have.
        tag: Names its content; without quotes.
        headers: More headers of the answer.
    """

    path: Path
    size_bytes: int
    tag: str
    headers: tuple[Header, ...] = ()


def inside(folder: Path, relative: str) -> Path:
    """Give the place of a file below a folder, whatever links or dots its path has.

    Raises:
        Refusal: It is not below the folder.
    """
    if "\0" not in relative:
        resolved = Path(os.path.realpath(folder / relative))
        if resolved.is_relative_to(os.path.realpath(folder)):
            return resolved
    raise Refusal(404, "not-found", "there is no such file")


def size_of(path: Path) -> int:
    """Give the length of a plain file.

    Raises:
        Refusal: There is no plain file.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        raise Refusal(404, "not-found", "there is no such file") from error
    if not path.is_file():
        raise Refusal(404, "not-found", "there is no such file")
    return facts.st_size


def part_of(header: bytes | None, size_bytes: int) -> tuple[int, int] | None:
    """Read a Range header; gives start and end (exclusive), or None for the whole file.

    What is malformed, and more than one range, is ignored as RFC 9110 allows.

    Raises:
        Refusal: The range lies behind the end of the file (416).
    """
    found = _RANGE.fullmatch(header.strip()) if header is not None else None
    if found is None or found.group(0) == b"bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= size_bytes:
        whole = (b"content-range", b"bytes */%d" % size_bytes)
        raise Refusal(416, "range", "the range lies behind the end of the file", whole)
    return start, end


def matches(header: bytes, tag: str) -> bool:
    """Tell whether a list of entity tags names this one."""
    tags = {one.strip().removeprefix(b"W/") for one in header.split(b",")}
    return b"*" in tags or b'"%s"' % tag.encode() in tags


def asked_part(exchange: Exchange, file: Sendable) -> tuple[int, int] | None:
    """Decide from the request's conditions what of a file is to be sent; None for all.

    Raises:
        Refusal: The client has it (304), has another one (412), or asks for too much (416).
    """
    headers = exchange.headers
    quoted = b'"%s"' % file.tag.encode()
    wanted = headers.get(b"if-match")
    if wanted is not None and not matches(wanted, file.tag):
        raise Refusal(412, "changed", "the file is not the one you began with", (b"etag", quoted))
    known = headers.get(b"if-none-match")
    if known is not None and matches(known, file.tag):
        raise Refusal(304, "same", "", (b"etag", quoted))
    condition = headers.get(b"if-range")
    if condition is not None and condition.strip() != quoted:
        return None
    return part_of(headers.get(b"range"), file.size_bytes)


async def send_file(
    exchange: Exchange, file: Sendable, threads: Executor, places: BoundedSemaphore
) -> None:
    """Answer a GET or HEAD with a file or the part of it that was asked for.

    Args:
        exchange: The request.
        file: What it asks for.
        threads: Where files are read.
        places: How many parts of files may be on their way.

    Raises:
        Refusal: It is missing or damaged, the request's conditions do not hold, or too many
            parts of files are on their way.
    """
    loop = asyncio.get_running_loop()
    there = await loop.run_in_executor(threads, size_of, file.path)
    if there != file.size_bytes:
        raise Refusal(404, "damaged", "the file in the repository is not whole")
    part = asked_part(exchange, file)
    start, end = part or (0, file.size_bytes)
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % (end - start)),
        (b"accept-ranges", b"bytes"),
        (b"etag", b'"%s"' % file.tag.encode()),
        *file.headers,
    ]
    if part is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, file.size_bytes)))
    status = 200 if part is None else 206
    if exchange.method == "HEAD":
        await exchange.begin(status, headers)
        await exchange.send({"type": "http.response.body", "body": b""})
    elif part is None and "http.response.pathsend" in exchange.scope.get("extensions", {}):
        await exchange.begin(status, headers)
        await exchange.send({"type": "http.response.pathsend", "path": str(file.path)})
    elif places.acquire(blocking=False):
        try:
            await exchange.begin(status, headers)
            await _send_pieces(exchange, file.path, (start, end), threads)
        finally:
            places.release()
    else:
        later = (b"retry-after", b"%d" % BUSY_S)
        raise Refusal(503, "busy", "too many downloads are on their way", later)


async def _send_pieces(
    exchange: Exchange, path: Path, part: tuple[int, int], threads: Executor
) -> None:
    """Send a part of a file; ends early, and with it the connection, if nobody reads."""
    loop = asyncio.get_running_loop()
    position, end = part
    # Only `receive` says that the client went away: without it we would read on for nobody.
    gone = asyncio.ensure_future(_until_gone(exchange))
    handle = await loop.run_in_executor(threads, os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    read: Callable[[int, int, int], bytes] = os.pread
    try:
        if position == end:
            await exchange.send({"type": "http.response.body", "body": b""})
        while position < end and not gone.done():
            size = min(PIECE_BYTES, end - position)
            piece = await loop.run_in_executor(threads, read, handle, size, position)
            if not piece:
                return
            position += len(piece)
            async with asyncio.timeout(PIECE_TIMEOUT_S):
                await exchange.send(
                    {"type": "http.response.body", "body": piece, "more_body": position < end}
                )
    except TimeoutError:
        return
    finally:
        os.close(handle)
        gone.cancel()


async def _until_gone(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
