"""The kernel of an image: version, build, configuration, modules."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileFacts, FileKind, Hit
from holdfast.audit.model.shapes import Kernel
from holdfast.audit.patterns.components import BANNER, BUILT, CONFIGURATION, WRAPPED
from holdfast.audit.tree import Tree

_MOST_PLACES: Final = 20
_MOST_BANNER: Final = 200
_MOST_CONFIG: Final = 4 * 1024 * 1024
_MOST_OPTIONS: Final = 20_000
_MOST_MODULES: Final = 10_000
_MOST_VALUE: Final = 200
_MOST_KERNEL: Final = 256 * 1024 * 1024
_MOST_PARTS: Final = 1000
_PART: Final = re.compile(
    rb"\b(?:drivers|fs|net|sound|crypto|security|virt|kernel|io_uring|block)"
    rb"(?:/[a-z0-9_-]{1,40}){1,6}(?=\.[ch]\0)"
)
_IKCONFIG_MAGIC_BYTES: Final = 8
_NUMBERS: Final = re.compile(r"[2-9]\.\d{1,3}(?:\.\d{1,3}){0,2}")
_OPTION: Final = re.compile(
    r"^(?:CONFIG_(\w{1,100})=(.*)|# CONFIG_(\w{1,100}) is not set)$", re.MULTILINE
)
_DEBIAN: Final = re.compile(r" #\d* .{0,80}Debian (\d+\.\d+\.\d+)-\d")
_MODULE: Final = re.compile(r"(?:^|/)([^/]+)\.ko(?:\.(?:gz|xz|zst))?$")
_MODULES_FOLDER: Final = re.compile(r"(?:^|/)lib/modules/([2-9]\.\d[^/]*)/")
_CONFIGS: Final = (
    "proc/config.gz",
    "boot/config-*",
    "boot/config",
    ":kernel@*/config",
    ":*/config",
    "lib/modules/*/config",
    "usr/lib/modules/*/config",
    "etc/kernel-config",
    "etc/kernel.config",
    "usr/src/linux*/.config",
)
_SYMBOLS: Final = (
    "boot/System.map*",
    "System.map*",
    "proc/kallsyms",
    "lib/modules/*/System.map",
    "usr/lib/modules/*/System.map",
)
_TEXTS: Final = frozenset({FileKind.TEXT, FileKind.SCRIPT, FileKind.PEM})


def kernel_of(tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str]) -> Kernel:
    """Find out which kernel an image starts.

    A kernel's own banner counts most. Where several kernels are in one image, for example one
    for recovery, that one counts whose modules are there too.
    """
    modules, wanted = _modules(facts, digests)
    places: dict[str, list[str]] = {}
    banners: dict[str, tuple[str, str]] = {}
    wrapped: dict[str, list[str]] = {}
    for path in sorted(digests):
        known = facts.get(digests[path])
        if known is None or (known.kind in _TEXTS and path != "proc/version"):
            continue
        for hit in known.hits:
            if hit.pattern == BANNER:
                places.setdefault(hit.version, []).append(f"{path}@{hit.offset}")
                banners.setdefault(hit.version, (_banner(tree, path, hit), _built(known.hits)))
            elif hit.pattern == WRAPPED:
                wrapped.setdefault(hit.version, []).append(f"{path}@{hit.offset}")
    version = _chosen(places, wanted) or _chosen(wrapped, {})
    config, config_where = _configuration(tree, facts, digests, version)
    if not version:
        named = re.search(r"/config-([2-9]\.\d+(?:\.\d+)*)", config_where)
        version = named[1] if named else ""
    where = [path for each in (places, wrapped, wanted) for path in each.get(version, ())]
    banner, built = banners.get(version, ("", ""))
    exact = _DEBIAN.search(banner)  # 6.1.0-13-amd64 is the name of an interface, not a version
    return Kernel(
        version=exact[1] if exact else version,
        where=tuple(where[:_MOST_PLACES]),
        banner=banner,
        built=built,
        config=config,
        config_where=config_where,
        modules=tuple(modules),
        symbols=any(True for _ in tree.glob(*_SYMBOLS)),
        parts=_parts(tree, places.get(version, ())),
    )


def _parts(tree: Tree, places: Iterable[str]) -> tuple[str, ...]:
    """Collect the source files whose names a kernel prints when something goes wrong in them."""
    found: set[bytes] = set()
    for path in dict.fromkeys(place.rpartition("@")[0] for place in places):
        try:
            content = tree.read(path, _MOST_KERNEL) or b""
        except FormatError:
            continue
        for match in _PART.finditer(content):
            if len(found) >= _MOST_PARTS:
                break
            found.add(match[0])
    return tuple(sorted(part.decode() for part in found))


def _modules(
    facts: Mapping[str, FileFacts], digests: Mapping[str, str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Give the names of the modules, and places by the version that they were built for."""
    names: set[str] = set()
    versions: dict[str, list[str]] = {}
    for path in sorted(digests):
        match = _MODULE.search(path)
        known = facts.get(digests[path])
        module = known.module if known else None
        if match is None and module is None:
            continue
        name = module.name if module and module.name else match[1] if match else ""
        if name and len(names) < _MOST_MODULES:
            names.add(name.replace("-", "_"))
        folder = _MODULES_FOLDER.search(path)
        told = module.vermagic if module and module.vermagic else folder[1] if folder else ""
        numbers = _NUMBERS.match(told)
        if numbers:
            versions.setdefault(numbers[0], []).append(path)
    return sorted(names), versions


def _chosen(banners: Mapping[str, list[str]], modules: Mapping[str, list[str]]) -> str:
    if banners:
        return max(banners, key=lambda one: (one in modules, len(banners[one]), one))
    counted = Counter({one: len(paths) for one, paths in modules.items()})
    return counted.most_common(1)[0][0] if counted else ""


def _banner(tree: Tree, path: str, hit: Hit) -> str:
    """A fact keeps 160 letters of a text; read the rest where the kernel still can be read."""
    try:
        content = tree.read(path, _MOST_KERNEL) or b""
    except FormatError:
        content = b""
    raw = content[hit.offset : hit.offset + _MOST_BANNER]
    whole = re.split(rb"[\n\0]", raw, maxsplit=1)[0].decode(errors="replace")
    return whole if whole.startswith("Linux version ") else hit.text


def _built(hits: Iterable[Hit]) -> str:
    """Give the day of the build from `#1 Mon Nov 9 09:31:03 CST 2015` or Debian's form."""
    for hit in hits:
        if hit.pattern != BUILT:
            continue
        if hit.version.startswith("("):
            return hit.version.strip("()")
        words = hit.version.split()
        try:
            day = datetime.strptime(f"{words[0]} {words[1]} {words[-1]}", "%b %d %Y")  # noqa: DTZ007
        except ValueError:
            continue
        return day.date().isoformat()
    return ""


def _configuration(
    tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str], version: str
) -> tuple[tuple[tuple[str, str], ...], str]:
    nodes = sorted(tree.glob(*_CONFIGS), key=lambda node: version not in node.path)
    for node in nodes:
        options = _options(_unpacked(tree, node.path))
        if options:
            return options, node.path
    for path in sorted(digests):
        known = facts.get(digests[path])
        for hit in known.hits if known else ():
            if hit.pattern == CONFIGURATION:
                at = hit.offset + _IKCONFIG_MAGIC_BYTES
                options = _options(_unpacked(tree, path, at))
                if options:
                    return options, f"{path}@{hit.offset}"
    return (), ""


def _unpacked(tree: Tree, path: str, offset: int = 0) -> bytes:
    try:
        content = (tree.read(path, _MOST_KERNEL) or b"")[offset:]
        if content.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(content, _MOST_CONFIG)
    except (FormatError, zlib.error):
        return b""
    return content[:_MOST_CONFIG]


def _options(content: bytes) -> tuple[tuple[str, str], ...]:
    if b"CONFIG_" not in content:
        return ()
    options: dict[str, str] = {}
    for match in _OPTION.finditer(content.decode(errors="replace").replace("\r", "")):
        if len(options) >= _MOST_OPTIONS:
            break
        name, value, unset = match.groups()
        options[name or unset] = "n" if unset else value.strip().strip('"')[:_MOST_VALUE]
    return tuple(sorted(options.items()))
