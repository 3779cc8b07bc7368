"""Lets unblob open what no reader of ours knows, in a process of its own that can be stopped.

unblob is used as a library: its handlers find chunks and extract them into the scratch folder.
Those whose formats we read ourselves are left out. It keeps neither owners nor modes.
"""

import hashlib
import logging
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import msgspec

from holdfast.audit.errors import LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.folder import nodes_of
from holdfast.audit.unpack.jobs import ForeignPiece
from holdfast.audit.unpack.source import Source
from holdfast.audit.unpack.usage import usage_of
from holdfast.hardening.confine import children

SECONDS: Final = 60
_TICK_S: Final = 0.05
_CHUNK_BYTES: Final = 1 << 20
_LONGEST_ANSWER: Final = 1 << 20
_MOST_CHUNKS: Final = 256

# Names of unblob's handlers whose formats have readers here; their prefixes are enough.
_OURS: Final = (
    "cramfs", "extfs", "fat", "jffs2", "romfs", "squashfs", "ubi", "yaffs", "erofs", "iso9660",
    "chk", "trx", "sparse", "tar", "cpio", "zip", "bzip2", "gzip", "lzma", "lzo", "lz4", "xz",
    "zstd", "ipkg",
)  # fmt: skip
# What holds nothing, or is found everywhere by chance.
_USELESS: Final = ("elf", "multi", "zlib")


class Chunk(msgspec.Struct):
    """What the worker tells of one chunk."""

    region: int
    start: int
    end: int
    format: str
    folder: str


class Unblob:
    """Opens regions with unblob.

    Attributes:
        folder: Scratch folder; what is extracted stays there until the audit ends.
        barren: Digests of regions in which nothing is found; these are not asked for again.
    """

    def __init__(self, folder: Path, limits: Limits, *, barren: Iterable[str] = ()) -> None:
        self.folder = folder / "foreign"
        self.barren = set(barren)
        self._most_bytes, self._most_files = limits.unpacked_bytes, limits.files

    def __call__(self, regions: list[Source], budget: Budget) -> list[list[ForeignPiece]]:
        """Give for each region what was found in it.

        Raises:
            LimitError: It took too long, or wrote too much.
        """
        found: list[list[ForeignPiece]] = [[] for _ in regions]
        digests = [_digest(region, budget) for region in regions]
        fresh = [number for number, digest in enumerate(digests) if digest not in self.barren]
        if not fresh:
            return found
        self.folder.mkdir(mode=0o700, exist_ok=True)
        places = {number: self._written(number, regions[number], budget) for number in fresh}
        for chunk in self._ask(places, budget):
            if chunk.region not in places:
                continue
            closed: list[str] = []
            nodes = nodes_of(self.folder / Path(chunk.folder).name, budget, closed)
            size = regions[chunk.region].size_bytes
            if len(nodes) > 1 and 0 <= chunk.start < chunk.end <= size:
                found[chunk.region].append(
                    ForeignPiece(
                        offset=chunk.start,
                        size_bytes=chunk.end - chunk.start,
                        format=chunk.format,
                        nodes=tuple(nodes),
                    )
                )
        self.barren.update(digests[number] for number in fresh if not found[number])
        return found

    def _written(self, number: int, region: Source, budget: Budget) -> Path:
        path = self.folder / f"region-{number}"
        with path.open("xb") as file:
            for at in range(0, region.size_bytes, _CHUNK_BYTES):
                budget.tick()
                file.write(region.read_at(at, _CHUNK_BYTES))
        return path

    def _ask(self, places: Mapping[int, Path], budget: Budget) -> list[Chunk]:
        answer = self.folder / "answer"
        before = set(children())
        pid = os.fork()
        if pid == 0:
            _work(places, self.folder, answer)
        try:
            self._wait(pid, budget)
        finally:
            _end(pid, before)
        try:
            content = answer.read_bytes()[:_LONGEST_ANSWER]
            return [msgspec.json.decode(line, type=Chunk) for line in content.splitlines()]
        except (OSError, msgspec.DecodeError):
            return []

    def _wait(self, pid: int, budget: Budget) -> None:
        until = monotonic() + SECONDS
        pause = _TICK_S
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            budget.tick()
            if monotonic() > until:
                raise LimitError(limit="foreign_seconds", most=SECONDS)
            used = usage_of(self.folder, most_bytes=self._most_bytes, most_files=self._most_files)
            if used.size_bytes > self._most_bytes:
                raise LimitError(limit="unpacked_bytes", most=self._most_bytes)
            if used.files > self._most_files:
                raise LimitError(limit="files", most=self._most_files)
            sleep(pause)
            pause = min(pause * 1.5, 0.5)


def _digest(region: Source, budget: Budget) -> str:
    digest = hashlib.sha256()
    for at in range(0, region.size_bytes, _CHUNK_BYTES):
        budget.tick()
        digest.update(region.read_at(at, _CHUNK_BYTES))
    return digest.hexdigest()


def _end(pid: int, before: set[int]) -> None:
    """Stop the worker and whatever it started; the latter become children of this process."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    while left := set(children()) - before - {pid}:
        for each in left:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(each, 0)


def _work(places: Mapping[int, Path], folder: Path, answer: Path) -> None:
    """Find and extract chunks; never returns."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        _extract_all(places, folder, answer)
    finally:
        os._exit(0)


def _extract_all(places: Mapping[int, Path], folder: Path, answer: Path) -> None:
    import structlog  # noqa: PLC0415 - only this process needs it

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    from unblob.extractor import carve_chunk_to_file, fix_extracted_directory  # noqa: PLC0415
    from unblob.file_utils import File  # noqa: PLC0415
    from unblob.finder import search_chunks  # noqa: PLC0415
    from unblob.handlers import BUILTIN_HANDLERS  # noqa: PLC0415
    from unblob.models import Task, TaskResult  # noqa: PLC0415

    handlers = tuple(
        each for each in BUILTIN_HANDLERS if not each.NAME.startswith((*_OURS, *_USELESS))
    )
    with answer.open("ab", buffering=0) as told:
        for number, place in places.items():
            result = TaskResult(task=Task(path=place, depth=0, blob_id=""))
            with File.from_path(place) as file:
                size = file.size()
                chunks = search_chunks(file, size, handlers, result)[:_MOST_CHUNKS]
                for chunk in chunks:
                    out = folder / f"out-{number}-{chunk.start_offset}"
                    carved = folder / f"chunk-{number}-{chunk.start_offset}"
                    chunk.file = file
                    carve_chunk_to_file(carved, file, chunk)
                    with suppress(Exception):  # whatever a handler throws: it found nothing
                        chunk.extract(carved, out)
                    carved.unlink(missing_ok=True)
                    fix_extracted_directory(out, result)
                    line = Chunk(
                        number, chunk.start_offset, chunk.end_offset, chunk.handler.NAME, out.name
                    )
                    told.write(msgspec.json.encode(line) + b"\n")
