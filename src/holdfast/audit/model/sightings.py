"""Which software is in which file, by the texts, names and functions of that file."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Final, NamedTuple

from holdfast.audit.facts.shapes import ElfFacts, FileFacts, FileKind, Hit
from holdfast.audit.patterns.components import BANNER, BARE, BY_PATTERN, TABLE, Software

_TEXTS: Final = frozenset({FileKind.TEXT, FileKind.SCRIPT, FileKind.PEM, FileKind.EMPTY})
_PACKED: Final = frozenset({FileKind.COMPRESSED, FileKind.ARCHIVE, FileKind.IMAGE})
_LIBRARY: Final = re.compile(r"((?:lib|ld-)[\w+.~-]*?)\.so(?:\.([0-9.]+))?$")
_SUFFIXES: Final = (re.compile(r"-[0-9][\w.+~-]*$"), re.compile(r"[0-9.]+$"))
_SERIES: Final = re.compile(r"\d+\.\d+")
_ZLIB: Final = re.compile(r"1\.[0-3]\.\d{1,2}(?:\.\d{1,2})?")
_NONE: Final = re.compile(r"(?!)")
_ZLIB_STARTS: Final = frozenset(
    {"inflateInit_", "inflateInit2_", "deflateInit_", "deflateInit2_", "inflateBackInit_"}
)
_MOST_EVIDENCE: Final = 160
_OWN_TEXT, _OWN_BARE, _COPY, _FOREIGN_PROGRAM, _FOREIGN_BARE = 0.95, 0.8, 0.85, 0.7, 0.6
_FILE_NAME, _NAME_ONLY, _SYMBOL_ONLY, _TEXT_ONLY = 0.8, 0.4, 0.4, 0.5


class Sighting(NamedTuple):
    """A piece of software seen in a file.

    Attributes:
        software: Which.
        version: "" if the file does not tell.
        path: The file.
        offset: Where the text stands; None if a name told.
        how: As in `Component.how`.
        confidence: 0 to 1.
        own: Whether the file is the software's own, not one that holds a copy.
        evidence: What was read.
        header: Whether it is what a header file puts into programs that only use a library.
    """

    software: Software
    version: str
    path: str
    offset: int | None
    how: str
    confidence: float
    own: bool
    evidence: str
    header: bool = False


class _Names(NamedTuple):
    """The tables turned round, to find rows by names."""

    programs: Mapping[str, tuple[Software, ...]]
    globs: tuple[tuple[str, Software], ...]
    libraries: Mapping[str, tuple[Software, ...]]
    symbols: Mapping[str, Software]
    files: tuple[tuple[re.Pattern[str], Software], ...]


@cache
def _names() -> _Names:
    programs: dict[str, tuple[Software, ...]] = {}
    libraries: dict[str, tuple[Software, ...]] = {}
    for row in TABLE:
        for name in row.programs:
            programs[name] = (*programs.get(name, ()), row)
        for name in row.libraries:
            libraries[name] = (*libraries.get(name, ()), row)
    return _Names(
        programs={name: rows for name, rows in programs.items() if "*" not in name},
        globs=tuple((name, row) for name, rows in programs.items() if "*" in name for row in rows),
        libraries=libraries,
        symbols={name: row for row in TABLE for name in row.symbols},
        files=tuple((re.compile(row.file), row) for row in TABLE if row.file),
    )


# Programs for other systems, and compiled scripts, which quote what others say of themselves.
_OF_OTHERS: Final = re.compile(r"\.(?:exe|dll|sys|pyc|pyo)$", re.IGNORECASE)


def sightings_in(path: str, facts: FileFacts) -> Iterator[Sighting]:
    """Give the software in a file, each version of each once.

    A kernel's own copies of libraries belong to the kernel, so a file with its banner has none.
    """
    if facts.kind in _PACKED or any(hit.pattern == BANNER for hit in facts.hits):
        return
    if facts.elf is None and _OF_OTHERS.search(path):
        return
    file = _File(path, path.rpartition("/")[2], facts)
    binary = facts.kind not in _TEXTS
    own = _owners(file.name, facts.elf) if binary else []
    texts = _texts(facts, binary=binary)
    rows = [row for row in TABLE if row.name in texts or row in own]
    seen = {
        row.name: list(_seen(row, file, texts.get(row.name, ()), own=row in own)) for row in rows
    }
    # Of those that share the name of a file, the one with a version is it; else the usual one.
    told = [row for row in rows if any(one.version for one in seen[row.name])]
    untold = [row for row in reversed(rows) if row not in told]
    taken: set[str] = set()
    for row in (*told, *untold):
        if taken.isdisjoint((*row.libraries, *row.programs)):
            taken.update(row.libraries, row.programs)
            yield from seen[row.name]
    if binary:
        yield from _by_symbols(file, {row.name for row in rows})


class _File(NamedTuple):
    path: str
    name: str
    facts: FileFacts


def _owners(name: str, elf: ElfFacts | None) -> list[Software]:
    names = _names()
    rows = [*names.programs.get(name, ())]
    rows += [row for pattern, row in names.globs if fnmatchcase(name, pattern)]
    rows += [row for form, row in names.files if form.match(name)]
    for each in (name, elf.soname if elf else ""):
        rows += _libraries(each)
        rows += names.programs.get(each, ())
    return rows


def _libraries(name: str) -> tuple[Software, ...]:
    """Find the rows of a library's name: as it is, without `-2.0`, without digits at its end."""
    match = _LIBRARY.fullmatch(name)
    stem = match[1] if match else ""
    for suffix in (None, *_SUFFIXES):
        rows = _names().libraries.get(suffix.sub("", stem) if suffix else stem)
        if rows:
            return rows
    return ()


def _texts(facts: FileFacts, *, binary: bool) -> dict[str, list[tuple[str, Hit]]]:
    found: dict[str, list[tuple[str, Hit]]] = {}
    for hit in facts.hits:
        source = BY_PATTERN.get(hit.pattern)
        if source is not None and (binary or source.software.text):
            found.setdefault(source.software.name, []).append((source.kind, hit))
    return found


def _seen(
    row: Software, file: _File, texts: Iterable[tuple[str, Hit]], *, own: bool
) -> Iterator[Sighting]:
    elf = file.facts.elf
    linked = elf is not None and any(row in _libraries(needed) for needed in elf.needed)
    counted = [
        hit
        for kind, hit in texts
        if own or kind == "strings" or (kind == "header_strings" and not linked)
    ]
    told = [hit for hit in counted if hit.version]
    if own and told:
        best = Counter(hit.version for hit in told).most_common(1)[0][0]
        told = [next(hit for hit in told if hit.version == best)]
    if counted and not told and not (row.libraries or row.symbols):
        own = True  # only the program itself says so, whatever it is called here
    given: set[str] = set()
    for hit in told:
        if hit.version not in given:
            given.add(hit.version)
            header = not own and BY_PATTERN[hit.pattern].kind == "header_strings"
            yield _by_text(row, file, hit, own=own)._replace(header=header)
    if given or not (own or counted):
        return
    named = _version_of_name(row, file.name)
    if named:
        yield Sighting(row, named, file.path, None, "file", _FILE_NAME, own, file.name)
        return
    bare = _bare(row, file)
    if bare is not None:
        sure = _OWN_BARE if own else _FOREIGN_BARE
        yield Sighting(
            row,
            bare.version.rstrip("-+"),
            file.path,
            bare.offset,
            "string",
            sure,
            own,
            bare.version,
        )
    elif counted:
        hit = counted[0]
        yield Sighting(row, "", file.path, hit.offset, "string", _TEXT_ONLY, own, _plain(hit.text))
    else:
        yield from _by_name(row, file)


def _by_text(row: Software, file: _File, hit: Hit, *, own: bool) -> Sighting:
    elf = file.facts.elf
    sure = _OWN_TEXT if own else _COPY
    if not own and not row.libraries and not row.text:
        # A server under another name, or a library that speaks of one.
        sure = _FOREIGN_PROGRAM if elf is None or elf.type == "program" else _FOREIGN_BARE
    return Sighting(row, hit.version, file.path, hit.offset, "string", sure, own, _plain(hit.text))


def _by_name(row: Software, file: _File) -> Iterator[Sighting]:
    """A name alone says little: of a library, or of what nothing else could tell."""
    elf = file.facts.elf
    if elf is None:
        return
    if row in (*_libraries(file.name), *_libraries(elf.soname)):
        text = elf.soname or file.name
        yield Sighting(row, "", file.path, None, "soname", _NAME_ONLY, own=True, evidence=text)
    elif not (row.strings or row.own_strings or row.bare) or file.name == row.name:
        yield Sighting(row, "", file.path, None, "file", _NAME_ONLY, own=True, evidence=file.name)


def _by_symbols(file: _File, known: set[str]) -> Iterator[Sighting]:
    if file.facts.elf is None:
        return
    symbols, path = _names().symbols, file.path
    for symbol in sorted(symbols.keys() & set(file.facts.elf.exports)):
        row = symbols[symbol]
        if row.name in known:
            continue
        known.add(row.name)
        bare = _bare(row, file)
        if bare is not None:
            text = f"{symbol}, {bare.version}"
            yield Sighting(
                row,
                bare.version,
                path,
                bare.offset,
                "symbol",
                _FOREIGN_BARE,
                own=False,
                evidence=text,
            )
        else:
            yield Sighting(row, "", path, None, "symbol", _SYMBOL_ONLY, own=False, evidence=symbol)


def _version_of_name(row: Software, name: str) -> str:
    if row.file and (told := re.match(row.file, name)) is not None:
        return told["version"]
    match = _LIBRARY.fullmatch(name)
    if match is None or not match[2] or row not in _libraries(name):
        return ""
    numbers = match[2].split(".")
    if row.named and len(numbers) > 1:
        return match[2]
    if row.series and len(numbers) == 3 and numbers[1].isdigit():  # noqa: PLR2004 - so.0.7400.6
        return f"{row.series}.{int(numbers[1]) // 100}.{numbers[2]}"
    return ""


def _bare(row: Software, file: _File) -> Hit | None:
    """Find a version that stands alone; None if there are several that it could be."""
    if not row.bare:
        return None
    form = re.compile(row.bare)
    foreign = _ZLIB if _asks_zlib(file.facts.elf) else _NONE
    found = {
        hit.version: hit
        for hit in reversed(file.facts.hits)
        if hit.pattern == BARE and form.fullmatch(hit.version) and not foreign.match(hit.version)
    }
    series = _SERIES.search(file.name)
    if series and len(found) > 1:  # libpython3.11.so.1.0
        found = {key: hit for key, hit in found.items() if key.startswith(f"{series[0]}.")}
    if row.newest and found:
        return found[max(found, key=_numbers)]
    return next(iter(found.values())) if len(found) == 1 else None


def _asks_zlib(elf: ElfFacts | None) -> bool:
    """Who starts zlib hands over the version of the header file that he was built with."""
    return elf is not None and not _ZLIB_STARTS.isdisjoint(elf.imports)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _plain(text: str) -> str:
    words = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(words.split())[:_MOST_EVIDENCE]
