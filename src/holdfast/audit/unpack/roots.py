"""Chooses the main root among what was opened, lays overlays over it, finds copies of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.report.shapes import Volume
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.unpack.ledger import Found

ENOUGH: Final = 5.0
_MOST_INNER: Final = 8
_DEEPEST_INNER: Final = 3
_MOST_TRIED: Final = 32  # each look goes over all names

_SIGNS: Final = (
    (
        3.0,
        re.compile(
            r"(?:usr/)?sbin/init|init|linuxrc|bin/init|etc/inittab|etc/preinit|sbin/procd|"
            r"(?:usr/)?lib/systemd/systemd|etc/init\.d/rcS|etc/rc\.d/rcS|etc_ro/rcS|etc/rcS|"
            r"etc_ro/inittab|sbin/openrc|(?:system/)?bin/init"
        ),
    ),
    (2.0, re.compile(r"(?:usr/|system/)?s?bin/(?:sh|busybox|ash|bash|dash|toybox|mksh)")),
    (
        2.0,
        re.compile(
            r"etc(?:_ro)?/(?:passwd|inittab|init\.d|fstab|hosts|services|shadow|group|rc\.d|"
            r"os-release|profile|rcS)"
        ),
    ),
    (
        2.0,
        re.compile(
            r"(?:usr/|system/)?lib(?:32|64)?/(?:[^/]+/)?(?:ld[-.][^/]*|libc[.-][^/]*|"
            r"libuClibc[^/]*|libgcc_s[^/]*)"
        ),
    ),
)
_FOLDERS: Final = frozenset(
    {"bin", "sbin", "usr", "etc", "lib", "dev", "proc", "sys", "tmp", "var", "mnt", "root"}
)
_FOLDER_WORTH: Final = 0.4
_TELLING: Final = frozenset({"etc", "bin", "sbin", "usr"})
_WHITEOUT: Final = (0, 0)
_AUFS: Final = ".wh."


def score(paths: Iterable[str]) -> float:
    """Tell how much a volume looks like the root of a system; `ENOUGH` is enough."""
    total = 0.0
    open_signs = dict.fromkeys(range(len(_SIGNS)), 0)
    folders: set[str] = set()
    for path in paths:
        if path in _FOLDERS:
            folders.add(path)
        for number in [
            number for number in open_signs if _SIGNS[number][1].fullmatch(path) is not None
        ]:
            total += _SIGNS[number][0]
            del open_signs[number]
    return total + _FOLDER_WORTH * len(folders)


def inner_roots(nodes: Mapping[str, Node]) -> list[str]:
    """Find folders that are roots themselves, where the volume as a whole is none."""
    # Not every archive has entries for its folders.
    holds: dict[str, set[str]] = {}
    for path in nodes:
        parts = path.split("/")
        for depth in range(1, min(len(parts), _DEEPEST_INNER + 1)):
            if parts[depth] in _TELLING:
                holds.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    likely = [folder for folder, names in holds.items() if "etc" in names and len(names) > 1]
    found: list[str] = []
    for folder in sorted(likely)[:_MOST_TRIED]:
        inside = f"{folder}/"
        if score(each[len(inside) :] for each in nodes if each.startswith(inside)) >= ENOUGH:
            found.append(folder)
    return found[:_MOST_INNER]


def split(found: Found, folder: str) -> Found:
    """Take a folder out of a volume as a volume of its own."""
    inside = f"{folder}/"
    paths = [path for path in found.nodes if path.startswith(inside)]
    part = Found(
        name=found.name,
        format=found.format,
        chain=(*found.chain, folder),
        owners_kept=found.owners_kept,
        depth=found.depth,
    )
    for path in paths:
        node = found.nodes.pop(path)
        part.nodes[path[len(inside) :]] = replace(node, path=path[len(inside) :])
        if path in found.opened:
            part.opened.add(path[len(inside) :])
    if (root := found.nodes.get(folder)) is not None:
        part.nodes.setdefault("", replace(root, path=""))
    return part


class Chosen(NamedTuple):
    """What the volumes are to the audit.

    Attributes:
        tree: The main root with all that is no root beside it.
        others: Further roots by name of their volume, those with the same content left out.
        volumes: For the report; `Node.origin` is an index into it.
    """

    tree: Tree
    others: dict[str, Tree]
    volumes: tuple[Volume, ...]


def choose(volumes: list[Found]) -> Chosen:
    """Choose the main root, and arrange everything else around it."""
    scores = [score(each.nodes) for each in volumes]
    roots = [number for number, worth in enumerate(scores) if worth >= ENOUGH]
    best = max(
        roots,
        key=lambda number: (min(scores[number], ENOUGH + 3), len(volumes[number].nodes), -number),
        default=None,
    )
    same = _copies(volumes, roots, best)
    upper = {number for number in range(len(volumes)) if _is_overlay(volumes[number])}
    tree = Tree()
    others: dict[str, Tree] = {}
    told: list[Volume] = []
    for number, each in enumerate(volumes):
        main = number == best
        told.append(
            Volume(
                name="" if main else each.name,
                format=each.format,
                chain=each.chain,
                files=len(each.nodes),
                size_bytes=each.size_bytes,
                root=number in roots,
                same_as=_told(volumes, same.get(number), best),
            )
        )
        if number in same:
            continue
        if main:
            _fill(tree, each, number, "")
        elif number in roots:
            _fill(others.setdefault(each.name, Tree()), each, number, "")
        else:
            _fill(tree, each, number, f":{each.name}/")
    if best is not None:
        tree = _with_overlays(tree, [volumes[number] for number in sorted(upper)], volumes)
    return Chosen(tree, others, tuple(told))


def _told(volumes: list[Found], original: int | None, best: int | None) -> str | None:
    if original is None:
        return None
    return "" if original == best else volumes[original].name


def _fill(tree: Tree, volume: Found, number: int, prefix: str) -> None:
    for path, node in volume.nodes.items():
        where = path
        if not prefix and path.startswith(":"):  # would be taken for a volume
            where = f"%3A{path[1:]}"
        tree.add(replace(node, path=f"{prefix}{where}".rstrip("/"), origin=number))


def _copies(volumes: list[Found], roots: list[int], best: int | None) -> dict[int, int]:
    """Find volumes with the very same content as an earlier one, or as the main root."""
    first: dict[int, list[int]] = {}
    same: dict[int, int] = {}
    order = sorted(range(len(volumes)), key=lambda number: (number != best, number))
    for number in order:
        volume = volumes[number]
        if number not in roots and len(volume.nodes) < 2:  # noqa: PLR2004 - kernels and the like
            continue
        known = first.setdefault(hash(_listing(volume)), [])
        original = next((each for each in known if _equal(volumes[each], volume)), None)
        if original is None:
            known.append(number)
        else:
            same[number] = original
    return same


def _listing(volume: Found) -> tuple[tuple[object, ...], ...]:
    return tuple(
        (path, node.kind, node.mode, node.uid, node.gid, node.size_bytes, node.target, node.device)
        for path, node in sorted(volume.nodes.items())
    )


def _equal(one: Found, other: Found) -> bool:
    if _listing(one) != _listing(other):
        return False
    try:
        return all(
            node.read is None or (twin := other.nodes[path].read) is None or node.read() == twin()
            for path, node in one.nodes.items()
        )
    except (FormatError, LimitError):
        return False


def _is_overlay(volume: Found) -> bool:
    """Know the upper layer of an overlay: `upper` and `work`, as overlayfs wants them."""
    top = {path.partition("/")[0] for path in volume.nodes if path}
    return {"upper", "work"} <= top <= {"upper", "work", ".fs_state", "lost+found"}


def _with_overlays(tree: Tree, overlays: list[Found], volumes: list[Found]) -> Tree:
    """Lay upper layers over the main root, with their deletions."""
    for overlay in overlays:
        number = volumes.index(overlay)
        gone: set[str] = set()
        fresh: list[Node] = []
        for path, node in sorted(overlay.nodes.items()):
            if not path.startswith("upper/"):
                continue
            inside = path.removeprefix("upper/")
            folder, _, name = inside.rpartition("/")
            if node.kind is Kind.CHARACTER and node.device == _WHITEOUT:
                gone.add(inside)
            elif name.startswith(_AUFS):
                gone.add(f"{folder}/{name.removeprefix(_AUFS)}".lstrip("/"))
            else:
                fresh.append(replace(node, path=inside, origin=number))
        kept = (node for node in tree.walk() if not _below(node.path, gone))
        tree = Tree([*kept, *fresh])
    return tree


def _below(path: str, gone: set[str]) -> bool:
    while path and gone:
        if path in gone:
            return True
        path = path.rpartition("/")[0]
    return False
