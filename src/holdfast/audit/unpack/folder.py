"""Reads a folder of this machine as a tree: real owners and modes, links never followed."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.ledger import Found

_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.FOLDER,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.PIPE,
    stat.S_IFSOCK: Kind.SOCKET,
}
_LONGEST_PATH: Final = 4096
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def nodes_of(
    folder: Path, budget: Budget, closed: list[str], *, only: Callable[[str], bool] | None = None
) -> list[Node]:
    """List everything below a folder.

    Args:
        folder: The folder.
        budget: Counts the names.
        closed: Gets the paths of folders that may not be listed.
        only: Which folders are looked into; all if None.
    """
    found = [_node(folder, "", os.lstat(folder), budget)]
    waiting = [""]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(folder / here) as entries:
                several = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            closed.append(here)
            continue
        for entry in several:
            budget.take_file()
            path = f"{here}/{entry.name}" if here else entry.name
            if len(os.fsencode(str(folder / path))) >= _LONGEST_PATH:
                closed.append(path)
                continue
            try:
                node = _node(folder, path, entry.stat(follow_symlinks=False), budget)
            except OSError:
                closed.append(path)
                continue
            found.append(node)
            if node.kind is Kind.FOLDER and (only is None or only(path)):
                waiting.append(path)
    return found


def _node(folder: Path, path: str, known: os.stat_result, budget: Budget) -> Node:
    kind = _KINDS.get(stat.S_IFMT(known.st_mode), Kind.FILE)
    is_file = kind is Kind.FILE
    is_device = kind in {Kind.CHARACTER, Kind.BLOCK}
    return Node(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(known.st_mode),
        uid=known.st_uid,
        gid=known.st_gid,
        size_bytes=known.st_size if is_file else 0,
        target=str((folder / path).readlink()) if kind is Kind.LINK else "",
        device=(os.major(known.st_rdev), os.minor(known.st_rdev)) if is_device else None,
        mtime=int(known.st_mtime),
        read=_reading(folder / path, known.st_size, budget) if is_file else None,
    )


def _reading(path: Path, size: int, budget: Budget) -> Callable[[], bytes]:
    def read() -> bytes:
        budget.must_fit(size)
        try:
            handle = os.open(path, _FILE)
        except OSError as error:
            raise FormatError(f"the file cannot be read: {error.strerror}") from error
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FormatError("the file is none any more")
            try:
                return file.read(size)
            except OSError as error:
                raise FormatError(f"the file cannot be read: {error.strerror}") from error

    return read


def as_root(nodes: list[Node]) -> tuple[list[Node], bool]:
    """Give everything to root if it all belongs to one other person, who unpacked it.

    Returns:
        The nodes, and whether their owners are those of the product.
    """
    owners = {node.uid for node in nodes}
    if len(owners) != 1 or owners == {0}:
        return nodes, True
    from dataclasses import replace  # noqa: PLC0415 - rarely needed

    return [replace(node, uid=0, gid=0) for node in nodes], False


def open_folder(
    folder: Path, budget: Budget, closed: list[str], *, only: Callable[[str], bool] | None = None
) -> Found:
    """Read a folder that is to be judged.

    Args:
        folder: The folder.
        budget: What it may cost.
        closed: Gets the paths that may not be looked into.
        only: Which folders are looked into; all if None.
    """
    nodes, kept = as_root(nodes_of(folder, budget, closed, only=only))
    return Found(
        name="folder",
        format="folder",
        chain=(),
        nodes={node.path: node for node in nodes},
        owners_kept=kept,
    )
