"""Opens an image: finds its pieces, descends into them, and keeps account of all of it."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from holdfast.audit.errors import MISTAKES, LimitError
from holdfast.audit.report.shapes import Opened, Unopened
from holdfast.audit.tree import Node, Tree
from holdfast.audit.unpack import kernels, readers, remains, roots
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.carving import GLOBAL_LIMITS, Carver, Format, Leaf, Piece
from holdfast.audit.unpack.jobs import Foreign, ForeignPiece, Gap, Job
from holdfast.audit.unpack.keeping import Keeper, text_of, why_of
from holdfast.audit.unpack.leaves import LEAVES
from holdfast.audit.unpack.ledger import Found, Ledger
from holdfast.audit.unpack.reader import Container, FileSystem, Part
from holdfast.audit.unpack.scratch import IN_MEMORY_BYTES, Scratch
from holdfast.audit.unpack.source import Bytes, Region, Source
from holdfast.audit.unpack.streams import Stream, streams

Progress = Callable[[float, str], None]

_LEAST_FILE: Final = 64
_LEAST_IN_ROOT: Final = 1 << 18
_LEAST_BLOB: Final = 1 << 16
_LEAST_KERNEL: Final = 1 << 18
_LEAST_FOREIGN: Final = 1024
_MOST_FOREIGN: Final = 16
_IMAGE_NAME: Final = re.compile(
    r"(?i).*\.(?:img|bin|sqsh|sqfs|squashfs|squash|ubi|ubifs|jffs2|ext[234]|cramfs|romfs|erofs|fw|"
    r"itb|fit|trx|chk|swu|raucb|cpio|cpio\.\w+|tar|tar\.\w+|tgz|simg|sdcard|wic|iso|rootfs|"
    r"kernel|zip)|(?:vmlinu[xz]|[uz]?image|bzimage|initr|kernel|rootfs|firmware)[^/]*"
)
# Files in volumes that are read by programs of their own: what they hold is judged as a file.
_LEFT_ALONE: Final = re.compile(
    rb"\x7fELF|%PDF|\x89PNG|\xff\xd8\xff|GIF8|RIFF|OggS|ID3|\xff\xfb|wOF|\x00\x01\x00\x00\x00|"
    rb"OTTO|\{\\rtf|\xd0\xcf\x11\xe0|\xca\xfe\xba\xbe|....ftyp",
    re.DOTALL,
)
# Programs that unpack what is appended to them.
_SELF_EXTRACTING: Final = re.compile(rb"MZ|#!")


class Result(NamedTuple):
    """An opened image.

    Attributes:
        tree: The main root, and what is no root under `:NAME/`.
        others: Further roots by the name of their volume.
        opened: The accounts.
    """

    tree: Tree
    others: dict[str, Tree]
    opened: Opened


class Opening:
    """The work on one image."""

    def __init__(
        self,
        budget: Budget,
        *,
        scratch: Scratch | None = None,
        foreign: Foreign | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.budget = budget
        self.ledger = Ledger()
        self._scratch = scratch or Scratch()
        self._foreign = foreign
        self._progress = progress or (lambda _, __: None)
        formats: tuple[Format, ...] = (
            *readers.FILE_SYSTEMS,
            *readers.CONTAINERS,
            *streams(),
            *kernels.WRAPPERS,
            *LEAVES,
        )
        self._carver = Carver(formats, budget, self._scratch)
        archives = tuple(each for each in readers.FILE_SYSTEMS if each.name == "cpio")
        self._in_kernels = Carver((*archives, *streams()), budget, self._scratch)
        self._keeper = Keeper(self.ledger, budget, self._in_kernels)
        self._jobs: deque[Job] = deque()

    def image(self, source: Source, name: str) -> None:
        """Open an image and everything in it, as far as the budget goes."""
        self._jobs.append(Job(source=source, label=name))
        self._work()

    def folder(self, found: Found) -> None:
        """Take a folder of the machine that was read, and open the images in it."""
        self.ledger.volumes.append(found)
        self._guarded(found.chain, partial(self._descend, found))
        self._work()

    def result(self) -> Result:
        """Choose the roots and close the accounts; contents can be read from then on."""
        self.budget.again(self.budget.limits.seconds)
        for name in sorted(self._carver.misses):
            self.ledger.not_opened(
                Unopened(
                    where="",
                    offset=0,
                    size_bytes=0,
                    entropy=0.0,
                    why=f"too many places only look like {name}; the search was given up",
                )
            )
        for name in sorted(self._carver.mistakes | self._in_kernels.mistakes):
            self.ledger.not_opened(
                Unopened(
                    where="",
                    offset=0,
                    size_bytes=0,
                    entropy=0.0,
                    why=f"the reader of {name} failed at something that looked like it",
                )
            )
        for error, offset in (*self._carver.limits, *self._in_kernels.limits):
            self.ledger.limit(error, f"@0x{offset:x}")
        chosen = roots.choose(self.ledger.volumes)
        main = next((each for each in chosen.volumes if each.root and not each.name), None)
        kept = all(
            found.owners_kept
            for found, told in zip(self.ledger.volumes, chosen.volumes, strict=True)
            if told is main or (main is None and len(found.nodes) > 1)
        )
        unopened = self.ledger.all_unopened()
        limits = tuple(self.ledger.limits)
        opened = Opened(
            complete=not unopened and not limits,
            volumes=chosen.volumes,
            unopened=unopened,
            limits=limits,
            owners_kept=kept,
        )
        return Result(chosen.tree, chosen.others, opened)

    # --- the loop -------------------------------------------------------------------------------

    def _work(self) -> None:
        foreign = self._foreign
        self._run_jobs()
        if foreign is not None:
            self._guarded((), partial(self._ask_foreign, foreign))
            self._run_jobs()
        for gap in self._keeper.gaps:
            self._keeper.not_opened(
                gap.job, gap.offset, gap.source.size_bytes, gap.entropy, gap.why
            )
        self._keeper.gaps.clear()

    def _run_jobs(self) -> None:
        done = 0
        while self._jobs:
            job = self._jobs.popleft()
            done += 1
            self._progress(done / (done + len(self._jobs)), job.chain[-1] if job.chain else "")
            if job.depth > self.budget.limits.depth:
                limit = LimitError(limit="depth", most=self.budget.limits.depth)
                self.ledger.limit(limit, text_of(job.chain))
                continue
            if not self._guarded(job.chain, partial(self._job, job)):
                return

    def _guarded(self, chain: tuple[str, ...], work: Callable[[], None]) -> bool:
        """Do something within the limits; tell whether anything more may be done."""
        try:
            work()
        except LimitError as error:
            self.ledger.limit(error, text_of(chain))
            if error.limit in GLOBAL_LIMITS:
                self._give_up(error)
                return False
        except MISTAKES as error:
            self._keeper.not_opened(Job(source=Bytes(b""), chain=chain), 0, 0, 0.0, why_of(error))
        return True

    def _give_up(self, error: LimitError) -> None:
        for job in self._jobs:
            self._keeper.not_opened(job, 0, job.source.size_bytes, 0.0, f"not looked at: {error}")
        self._jobs.clear()

    # --- one source -----------------------------------------------------------------------------

    def _job(self, job: Job) -> None:
        if not job.whole and _LEFT_ALONE.match(job.source.read_at(0, 16)):
            self._plain(job)
            return
        if job.chain and job.source.size_bytes >= _LEAST_KERNEL:
            known = self._carver.whole(job.source)
            if known is None and self._keeper.bare_kernel(job):
                return
        end = covered = 0
        kernel = real = False
        gaps: list[tuple[int, int, int]] = []
        try:
            for piece in self._carver.pieces(job.source):
                if not job.whole and not self._is_real(piece):
                    continue
                gaps.append((end, piece.offset, covered))
                end = piece.offset + piece.size_bytes
                covered = piece.size_bytes if isinstance(piece.reader, FileSystem) else 0
                real = True
                kernel |= self._tried(job, piece)
        except LimitError as error:
            rest = job.source.size_bytes - end
            self._keeper.not_opened(job, end, rest, 0.0, f"not looked at: {error}")
            raise
        gaps.append((end, job.source.size_bytes, covered))
        if job.whole or (real and not _SELF_EXTRACTING.match(job.source.read_at(0, 2))):
            self._keeper.leftovers(job, gaps, loader=kernel and bool(job.chain))
        elif not real:
            self._plain(job)

    def _tried(self, job: Job, piece: Piece) -> bool:
        """Open a piece; a limit that concerns only this one does not end the search."""
        try:
            return self._piece(job, piece)
        except LimitError as error:
            self.ledger.limit(error, text_of(job.chain))
            if error.limit in GLOBAL_LIMITS:
                raise
            return False

    def _is_real(self, piece: Piece) -> bool:
        """Tell whether a piece inside a file of a volume makes that file an image."""
        if not isinstance(piece.reader, Stream) or piece.offset == 0:
            return not isinstance(piece.reader, Leaf) or piece.reader.kernel
        content = piece.content
        if content is None:
            return False
        return kernels.is_kernel(content, self.budget) or self._carver.whole(content) is not None

    def _plain(self, job: Job) -> None:
        """Keep a file that is no image; name it if it is packed in a way that nobody knows."""
        if not job.kept:
            self._keeper.keep(job.label or "data", "file", job.chain, "content", job.source)
        head = job.source.read_at(0, 16)
        known = _LEFT_ALONE.match(head) or _SELF_EXTRACTING.match(head)
        if known or job.source.size_bytes < _LEAST_BLOB:
            return
        bits = remains.entropy_of(job.source)
        if bits >= remains.PACKED_ENTROPY:
            why = "no reader knows it; it is compressed or encrypted"
            self._keeper.gaps.append(
                Gap(job=job, offset=0, source=job.source, entropy=bits, why=why)
            )

    def _piece(self, job: Job, piece: Piece) -> bool:
        """Open a piece; tell whether it was a kernel."""
        reader = piece.reader
        step = f"{reader.name}@0x{piece.offset:x}"
        chain = (*job.chain, step)
        if isinstance(reader, FileSystem):
            found = self._keeper.volume(job, piece, reader, chain)
            if found is not None:
                self._descend(found)
        elif isinstance(reader, Container):
            self._container(job, piece, reader, chain)
        elif isinstance(reader, Leaf):
            return self._keeper.leaf(job, piece, reader, chain)
        else:
            return self._stream(job, piece, chain)
        return False

    # --- kinds of pieces ------------------------------------------------------------------------

    def _descend(self, found: Found) -> None:
        """Look for roots in folders of a volume, and for images among its files."""
        parts = [found]
        if roots.score(found.nodes) < roots.ENOUGH:
            for folder in roots.inner_roots(found.nodes):
                part = roots.split(found, folder)
                part.name = self.ledger.name_for(folder)
                self.ledger.volumes.append(part)
                parts.append(part)
        for part in parts:
            is_root = roots.score(part.nodes) >= roots.ENOUGH
            for node in part.files():
                self.budget.tick()
                if node.size_bytes >= (_LEAST_IN_ROOT if is_root else _LEAST_FILE):
                    self._guarded(part.chain, partial(self._file, part, node, is_root))

    def _file(self, found: Found, node: Node, is_root: bool) -> None:  # noqa: FBT001 - for `partial`
        name = node.path.rpartition("/")[2]
        if node.read is None or (is_root and _IMAGE_NAME.fullmatch(name) is None):
            return
        content = node.read()
        if _LEFT_ALONE.match(content):
            return
        if is_root and not self._carver.begins(content[:65536]):
            return
        if not is_root and len(content) < _LEAST_BLOB and not self._carver.begins(content[:65536]):
            return
        source: Source = Bytes(content)
        if len(content) > IN_MEMORY_BYTES:
            source = self._scratch.keep(iter((content,)), self.budget)
        del content
        job = Job(
            source=source,
            chain=(*found.chain, node.path),
            base=None,
            label=name,
            whole=False,
            depth=found.depth,
        )
        if job.depth > self.budget.limits.depth:
            self.ledger.limit(
                LimitError(limit="depth", most=self.budget.limits.depth), text_of(job.chain)
            )
            return
        before = len(self.ledger.volumes), len(self._jobs)
        self._job(job)
        if before != (len(self.ledger.volumes), len(self._jobs)) and not is_root:
            # What is in it is judged by itself; the same bytes again would only repeat it.
            found.opened.add(node.path)
            found.nodes[node.path] = replace(node, read=None)

    def _container(self, job: Job, piece: Piece, reader: Container, chain: tuple[str, ...]) -> None:
        end = 0
        parts: list[Part] = []
        try:
            # One by one: what is whole before the damage is opened all the same.
            for part in reader.parts(piece.source, self.budget):
                parts.append(part)  # noqa: PERF402 - see above
        except LimitError:
            raise
        except MISTAKES as error:
            why = f"{piece.format}: {why_of(error)}"
            self._keeper.not_opened(job, piece.offset, piece.size_bytes, 0.0, why)
        for part in sorted(parts, key=lambda each: each.offset):
            if reader.gaps and part.offset > end:
                self._between(job, piece, chain, (end, part.offset))
            end = max(end, part.offset + part.source.size_bytes)
            kept = job.base is not None and isinstance(part.source, Region)
            self._jobs.append(
                Job(
                    source=part.source,
                    chain=(*chain, f"{part.name}@0x{part.offset:x}"),
                    base=job.base_of(piece, part.offset) if kept else None,
                    label=part.name,
                    depth=job.depth + 1,
                )
            )
        if reader.gaps and end < piece.size_bytes:
            self._between(job, piece, chain, (end, piece.size_bytes))

    def _between(
        self, job: Job, piece: Piece, chain: tuple[str, ...], span: tuple[int, int]
    ) -> None:
        start, end = span
        self._jobs.append(
            Job(
                source=Region(piece.source, start, end - start),
                chain=(*chain, f"between@0x{start:x}"),
                base=job.base_of(piece, start),
                depth=job.depth + 1,
            )
        )

    def _stream(self, job: Job, piece: Piece, chain: tuple[str, ...]) -> bool:
        content = piece.content
        if content is None:
            return False
        if piece.fault:
            self._keeper.not_opened(
                job, piece.offset, piece.size_bytes, 0.0, f"{piece.format}: {piece.fault}"
            )
        label = job.label_of(piece, "kernel")
        if content.size_bytes >= _LEAST_KERNEL and kernels.is_kernel(content, self.budget):
            self._keeper.kernel(content, chain, label)
            return True
        name = job.label.rpartition(".")[0] if job.base is None else job.label_of(piece, "data")
        self._jobs.append(
            Job(
                source=content,
                chain=chain,
                base=None,
                label=name,
                whole=job.whole,
                kept=False,
                depth=job.depth + 1,
            )
        )
        return False

    def _ask_foreign(self, foreign: Foreign) -> None:
        """Let foreign readers try what nothing explained."""
        chosen = sorted(
            (gap for gap in self._keeper.gaps if gap.source.size_bytes >= _LEAST_FOREIGN),
            key=lambda gap: -gap.source.size_bytes,
        )[:_MOST_FOREIGN]
        if not chosen:
            return
        self._progress(0.9, "unblob")
        answers = foreign([gap.source for gap in chosen], self.budget)
        for gap, pieces in zip(chosen, answers, strict=True):
            end = 0
            explained = 0
            for piece in sorted(pieces, key=lambda each: each.offset):
                if not piece.nodes or piece.offset < end:
                    continue
                end = piece.offset + piece.size_bytes
                explained += piece.size_bytes
                self._adopt(gap, piece)
            if explained:
                self._keeper.gaps.remove(gap)
                self._rest(gap, pieces)

    def _adopt(self, gap: Gap, piece: ForeignPiece) -> None:
        offset = gap.offset + piece.offset
        chain = (*gap.job.chain, f"{piece.format}@0x{offset:x}")
        found = self.ledger.volume(
            f"{piece.format}@0x{offset:x}", piece.format, chain, gap.job.depth + 1
        )
        found.owners_kept = False
        found.nodes = {node.path: node for node in piece.nodes}
        self._descend(found)

    def _rest(self, gap: Gap, pieces: Iterable[ForeignPiece]) -> None:
        spans: list[tuple[int, int, int]] = []
        end = 0
        for piece in sorted(pieces, key=lambda each: each.offset):
            spans.append((gap.offset + end, gap.offset + piece.offset, 0))
            end = max(end, piece.offset + piece.size_bytes)
        spans.append((gap.offset + end, gap.offset + gap.source.size_bytes, 0))
        self._keeper.leftovers(gap.job, spans, loader=False)


def open_image(
    source: Source,
    name: str,
    budget: Budget,
    *,
    scratch: Scratch | None = None,
    foreign: Foreign | None = None,
    progress: Progress | None = None,
) -> Result:
    """Open an image.

    Args:
        source: Its bytes.
        name: Its name, for the report.
        budget: What it may cost.
        scratch: Where long contents are put.
        foreign: Opens what no reader of ours knows.
        progress: Is told how far it is.
    """
    opening = Opening(budget, scratch=scratch, foreign=foreign, progress=progress)
    opening.image(source, name)
    return opening.result()
