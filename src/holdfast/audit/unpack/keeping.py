"""Keeps what was opened as volumes: file systems, kernels with what is in them, what is left."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from holdfast.audit.errors import MISTAKES, AuditError, LimitError
from holdfast.audit.report.shapes import Unopened
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack import kernels, remains
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.carving import Carver, Leaf, Piece
from holdfast.audit.unpack.jobs import Gap, Job
from holdfast.audit.unpack.ledger import Found, Ledger
from holdfast.audit.unpack.reader import FileSystem
from holdfast.audit.unpack.source import Bytes, Region, Source

_LOADER_BYTES: Final = 1 << 17


class Keeper:
    """Puts what was found into the ledger.

    Attributes:
        ledger: The accounts.
        gaps: Regions that nothing explains so far.
    """

    def __init__(self, ledger: Ledger, budget: Budget, in_kernels: Carver) -> None:
        """Prepare.

        Args:
            ledger: The accounts.
            budget: What it may cost.
            in_kernels: Knows what stands in kernels: compressed streams and cpio archives.
        """
        self.ledger = ledger
        self.gaps: list[Gap] = []
        self._budget, self._in_kernels = budget, in_kernels

    def volume(
        self, job: Job, piece: Piece, reader: FileSystem, chain: tuple[str, ...]
    ) -> Found | None:
        """Read the names of a file system; what is damaged is told, and the rest kept."""
        label = job.label_of(piece, reader.name)
        found = self.ledger.volume(label, piece.format, chain, job.depth + 1)
        found.owners_kept = reader.owners
        fault = ""
        try:
            for node in reader.nodes(piece.source, self._budget):
                found.nodes[node.path] = node
        except LimitError:
            if not found.nodes:
                self.ledger.drop(found)
            raise
        except MISTAKES as error:
            fault = why_of(error)
        if fault:
            if not found.nodes:
                self.ledger.drop(found)
            self.gaps.append(
                Gap(
                    job=job,
                    offset=piece.offset,
                    source=piece.source,
                    entropy=remains.entropy_of(piece.source),
                    why=f"{piece.format}: {fault}",
                )
            )
        return found if found.nodes else None

    def leaf(self, job: Job, piece: Piece, reader: Leaf, chain: tuple[str, ...]) -> bool:
        """Keep a piece with nothing inside but perhaps a kernel; tell whether it was one."""
        if not reader.kernel:
            label = job.label_of(piece, reader.name)
            self.keep(label, piece.format, chain, reader.file, piece.source)
            return False
        for inner in self._in_kernels.pieces(piece.source):
            content = inner.content
            if content is not None and kernels.is_kernel(content, self._budget):
                step = f"{inner.format}@0x{inner.offset:x}"
                self.kernel(content, (*chain, step), job.label_of(piece, "kernel"))
                return True
        if kernels.is_kernel(piece.source, self._budget):
            self.kernel(piece.source, chain, job.label_of(piece, "kernel"))
            return True
        self.gaps.append(
            Gap(
                job=job,
                offset=piece.offset,
                source=piece.source,
                entropy=remains.entropy_of(piece.source),
                why=f"{piece.format}: no kernel was found in it",
            )
        )
        return False

    def bare_kernel(self, job: Job) -> bool:
        """Take a source for a kernel if it is one that is not packed any further."""
        if not kernels.is_kernel(job.source, self._budget):
            return False
        if remains.entropy_of(job.source) >= remains.PACKED_ENTROPY:
            return False
        label = f"kernel@0x{job.base:x}" if job.base is not None else job.label or "kernel"
        self.kernel(job.source, job.chain, label)
        return True

    def kernel(self, source: Source, chain: tuple[str, ...], label: str) -> None:
        """Keep a kernel as a file, with its configuration; open the initramfs in it."""
        found = self.keep(label, "Linux kernel", chain, "vmlinux", source)
        text = kernels.config(source, self._budget)
        if text is not None:
            found.nodes["config"] = _file_node("config", Bytes(text))
        for piece in self._in_kernels.pieces(source):
            inner: Piece | None = piece
            step = (*chain, f"{piece.reader.name}@0x{piece.offset:x}")
            if piece.content is not None:
                inner = self._in_kernels.whole(piece.content)
            if inner is None or not isinstance(inner.reader, FileSystem):
                continue
            name = label.replace("kernel", "initramfs", 1)
            job = Job(source=inner.source, base=None, label=name, chain=step, depth=found.depth)
            before = len(self.ledger.volumes)
            self.volume(job, replace(inner, offset=0), inner.reader, step)
            for each in self.ledger.volumes[before:]:
                if not each.files():  # the kernel's own /dev/console, nothing more
                    self.ledger.drop(each)

    # --- what is left ---------------------------------------------------------------------------

    def leftovers(self, job: Job, gaps: Iterable[tuple[int, int, int]], *, loader: bool) -> None:
        """Judge what lies between the pieces.

        Args:
            job: What they are pieces of.
            gaps: Start, end, and length of the file system that ends at the start, else 0.
            loader: Whether code beside the pieces is that which unpacks a kernel.
        """
        for start, end, covered in gaps:
            if end <= start:
                continue
            region = Region(job.source, start, end - start)
            for part in remains.judge(region, self._budget, covered=covered):
                offset = start + part.offset
                source = Region(job.source, offset, part.size_bytes)
                small = part.size_bytes <= _LOADER_BYTES
                if part.kind == "unknown" and loader and small and not part.packed:
                    part = replace(part, kind="program", name="loader")  # noqa: PLW2901
                self._judged(job, offset, part, source)

    def _judged(self, job: Job, offset: int, part: remains.Remains, source: Source) -> None:
        step = (*job.chain, f"{part.name or part.kind}@0x{offset:x}")
        place = f"0x{job.base + offset:x}" if job.base is not None else job.label or "inner"
        if part.kind == "kernel":
            self.kernel(source, step, f"kernel@{place}")
        elif part.kind in {"text", "program", "signature"}:
            form = part.name or part.kind
            self.keep(f"{form}@{place}", form, step, part.kind, source)
        elif part.kind == "unknown":
            why = remains.describe(part)
            self.gaps.append(
                Gap(job=job, offset=offset, source=source, entropy=part.entropy, why=why)
            )
            if not part.packed:  # its strings can be judged all the same
                self.keep(f"raw@{place}", "unknown", step, "raw", source)

    def keep(
        self, label: str, form: str, chain: tuple[str, ...], file: str, source: Source
    ) -> Found:
        """Make a volume of a single file."""
        found = self.ledger.volume(label, form, chain, len(chain))
        self._budget.take_file()
        found.nodes[file] = _file_node(file, source)
        return found

    def not_opened(self, job: Job, offset: int, size: int, bits: float, why: str) -> None:
        """Name a piece that could not be opened."""
        self.ledger.not_opened(
            Unopened(
                where=text_of(job.chain),
                offset=offset,
                size_bytes=size,
                entropy=round(bits, 3),
                why=why,
            )
        )


def why_of(error: BaseException) -> str:
    """Say what went wrong, without anything that hostile bytes could say."""
    if isinstance(error, AuditError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"it could not be kept: {error.strerror}"
    return f"its reader failed: {type(error).__name__}"


def text_of(chain: tuple[str, ...]) -> str:
    """Write a chain for people."""
    return " > ".join(chain)


def _file_node(path: str, source: Source) -> Node:
    size = source.size_bytes
    return Node(
        path=path,
        kind=Kind.FILE,
        mode=0o644,
        size_bytes=size,
        read=lambda: source.read_at(0, size),
    )
