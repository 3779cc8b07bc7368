"""A folder with all that is hard about a root file system, and whether a reader gave it back."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from holdfast.audit.errors import FormatError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import kind_of
from holdfast.audit.unpack.reader import Container, FileSystem, Part
from holdfast.audit.unpack.source import Bytes

MTIME = 1_234_567_890
NOT_UTF8 = os.fsdecode(b"caf\xe9")
SPARSE_BYTES = 3_000_000
OLD_LIMIT = 65535


def make(folder: Path, *, many: int = 300, links: bool = True) -> Path:
    """Fill a folder; with an even number of seconds as time, since FAT keeps no odd ones."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/busybox").write_bytes(random.Random(1).randbytes(70_000))  # noqa: S311
    (folder / "bin/busybox").chmod(0o4755)
    (folder / "etc").mkdir()
    (folder / "etc/motd").write_text("a line that can be squeezed\n" * 3000)
    (folder / "etc/motd").chmod(0o640)
    (folder / "loop").mkdir()
    (folder / "loop").chmod(0o1777)
    (folder / "empty").write_bytes(b"")
    (folder / "short").write_bytes(b"short\n")
    with (folder / "sparse").open("wb") as sparse:
        sparse.seek(SPARSE_BYTES)
        sparse.write(b"end")
    (folder / "many").mkdir()
    for number in range(many):
        (folder / f"many/a-rather-long-name-for-a-file-{number}").write_text(f"{number}\n")
    (folder / ("n" * 250)).write_bytes(b"long name")
    if links:
        os.link(folder / "bin/busybox", folder / "bin/su")
        (folder / "bin/sh").symlink_to("busybox")
        (folder / "etc/passwd").symlink_to("/var/passwd")
        (folder / "etc/far").symlink_to("x/" * 70 + "x")
        (folder / "loop/a").symlink_to("b")
        (folder / "loop/b").symlink_to("a")
        (folder / NOT_UTF8).write_bytes(b"coffee")
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (MTIME, MTIME), follow_symlinks=False)
    return folder


def budget(**limits: int) -> Budget:
    """Make a budget of a few seconds, so that a reader that hangs is found."""
    return Budget(Limits(**{"seconds": 60, **limits}))


def tree_of(reader: FileSystem, image: bytes, **limits: int) -> Tree:
    """Measure and read an image."""
    measured = reader.measure(Bytes(image))
    assert measured is not None
    assert 0 < measured.size_bytes <= len(image)
    return Tree(_in_order(reader.nodes(Bytes(image[: measured.size_bytes]), budget(**limits))))


def parts_of(reader: Container, image: bytes) -> list[Part]:
    """Measure a container and give its parts."""
    assert reader.measure(Bytes(image)) is not None
    return list(reader.parts(Bytes(image), budget()))


def _in_order(nodes: Iterator[Node]) -> Iterator[Node]:
    seen = {""}
    for node in nodes:
        assert node.path.rpartition("/")[0] in seen
        if node.kind is Kind.FOLDER:
            seen.add(node.path)
        yield node


def content(tree: Tree, path: str) -> bytes:
    return reading(tree, path)()


def node_of(tree: Tree, path: str) -> Node:
    node = tree.get(path)
    assert node is not None, f"{path} is missing"
    return node


def differences(
    tree: Tree, folder: Path, *, but: tuple[str, ...] = (), more: tuple[str, ...] = ()
) -> list[str]:
    """Compare with the folder on kind, mode, size, time, target and content of every name."""
    wrong = []
    wanted = {os.fspath(path.relative_to(folder)): path for path in folder.rglob("*")}
    for path, real in wanted.items():
        node, about = tree.get(path), real.lstat()
        if node is None:
            wrong.append(f"{path} is missing")
            continue
        kind = kind_of(about.st_mode)
        facts = {
            "kind": (node.kind, kind),
            "mode": (node.mode, about.st_mode & 0o7777),
            "mtime": (node.mtime, int(about.st_mtime)),
            "size": (node.size_bytes, about.st_size if kind is Kind.FILE else 0),
            "target": (node.target, str(real.readlink()) if kind is Kind.LINK else ""),
        }
        wrong += [
            f"{path}: {key} {got!r}, not {right!r}"
            for key, (got, right) in facts.items()
            if got != right and key not in but
        ]
        if kind is Kind.FILE and content(tree, path) != real.read_bytes():
            wrong.append(f"{path}: content")
    strange = {node.path for node in tree.walk()} - set(wanted) - {"", "lost+found", *more}
    return wrong + [f"{path} should not be there" for path in sorted(strange)]


def same_file(tree: Tree, one: str, other: str) -> bool:
    """Tell whether two names are hard links."""
    first, second = node_of(tree, one), node_of(tree, other)
    return first.read is not None and first.read is second.read


def noise(length: int, seed: int = 0) -> bytes:
    """Give bytes that are of no format."""
    return random.Random(seed).randbytes(length)  # noqa: S311


def until_damage(reader: FileSystem, image: bytes, **limits: int) -> tuple[list[Node], str]:
    """Give the nodes before the error that ends them, and what the error says; "" for none."""
    found: list[Node] = []
    try:
        found.extend(reader.nodes(Bytes(image), budget(**limits)))
    except FormatError as error:
        return found, str(error)
    return found, ""


def reading(tree: Tree, path: str) -> Callable[[], bytes]:
    """Give what reads a file."""
    read = node_of(tree, path).read
    assert read is not None
    return read
