"""All facts of one content: kind, patterns, ELF, module, keys."""

import hashlib
import warnings
from typing import Final

from holdfast.audit.facts import kinds
from holdfast.audit.facts.keys import keys_in
from holdfast.audit.facts.search import engine
from holdfast.audit.facts.shapes import ElfFacts, FileFacts, FileKind, Hit, KeyFact, ModuleFacts
from holdfast.audit.patterns import ALL
from holdfast.audit.patterns.components import BANNER

CODE: Final = 1
"""Counts upward with every change of what this package makes out of the same content."""

RULES: Final = hashlib.sha256(f"{CODE}\n{ALL!r}".encode()).hexdigest()
"""Digest of code and patterns: facts with another one are made anew."""

_WITHOUT_ENTROPY: Final = frozenset(
    {FileKind.EMPTY, FileKind.ELF, FileKind.MODULE, FileKind.SCRIPT, FileKind.TEXT, FileKind.PEM}
)


def facts_of(content: bytes, sha256: str = "") -> FileFacts:
    """Find out all that can be known of a content by itself.

    Args:
        content: Hostile, as it is; nothing it holds makes this raise.
        sha256: Its digest, if that is known already.
    """
    kind = kinds.kind_of(content)
    faults: list[str] = []
    elf, module = _elf(content, kind, faults)
    hits = _hits(content, faults)
    if module is not None:
        kind = FileKind.MODULE
    elif kind is FileKind.OTHER and any(hit.pattern == BANNER for hit in hits):
        kind = FileKind.KERNEL
    return FileFacts(
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        kind=kind,
        interpreter=kinds.interpreter_of(content) if kind is FileKind.SCRIPT else "",
        hits=hits,
        elf=elf,
        keys=_keys(content, faults),
        module=module,
        entropy=0.0 if kind in _WITHOUT_ENTROPY else round(kinds.entropy_of(content), 3),
        fault="; ".join(faults),
    )


def _elf(
    content: bytes, kind: FileKind, faults: list[str]
) -> tuple[ElfFacts | None, ModuleFacts | None]:
    if kind not in {FileKind.COMPRESSED, FileKind.ELF}:
        return None, None
    # Only here: an audit whose facts are all cached does not wait for lief.
    from holdfast.audit.facts.elf import elf_facts, parsed  # noqa: PLC0415
    from holdfast.audit.facts.kernel_module import decompressed, module_facts  # noqa: PLC0415

    whole: bytes | None = content
    if kind is FileKind.COMPRESSED:
        whole = decompressed(content)  # a module, or nothing
    if whole is None:
        return None, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # of lief, for numbers it has no name for
            binary = parsed(whole)
            module = module_facts(binary, whole) if binary else None
            elf = elf_facts(binary, whole) if binary else None
    except (
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        MemoryError,
    ) as error:
        # What lief throws at hostile files is not in its documentation.
        faults.append(f"not a readable ELF file ({type(error).__name__})")
        return None, None
    if elf is None:
        faults.append("not a readable ELF file")
    if kind is FileKind.COMPRESSED and module is None:
        return None, None
    return elf, module


def _hits(content: bytes, faults: list[str]) -> tuple[Hit, ...]:
    searching = engine()
    found = searching.hits(content)
    if searching.overflowed:
        faults.append("too many matches of the patterns; later ones are not known")
    return found


def _keys(content: bytes, faults: list[str]) -> tuple[KeyFact, ...]:
    try:
        return keys_in(content)
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        faults.append(f"keys are not known ({type(error).__name__})")
        return ()
