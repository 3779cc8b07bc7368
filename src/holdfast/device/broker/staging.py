"""Copies what the agent staged to where the agent cannot change it any more.

The agent may be hostile: every step opens relative to the folder before it and follows no link;
only regular files of the agent are read, and no more of them than allowed. Standard library only.
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from holdfast.core.files import CHUNK_BYTES, full_disk_named
from holdfast.device.broker import tree
from holdfast.device.broker.errors import StagingError

MOST_METADATA_FILES = 64
LARGEST_METADATA_BYTES = 1 << 20
_METADATA_NAME = re.compile(r"(\d{1,9}\.)?[a-z][a-z0-9-]{0,40}\.json", re.ASCII)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe must not make the broker wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Bounds(NamedTuple):
    """What may be staged.

    Attributes:
        owner: Uid that must own every file; None where all run as one user.
        image_bytes: Largest artifact.
    """

    owner: int | None
    image_bytes: int


def fetch(
    agent: Path, incoming: Path, bounds: Bounds, progress: Callable[[int, int], None]
) -> None:
    """Copy `agent/staging` to `incoming`, replacing what was there.

    Args:
        agent: The agent's folder, made by the launcher.
        incoming: The broker's folder.
        bounds: What is allowed.
        progress: Told of bytes copied and bytes in all, of the artifact.

    Raises:
        StagingError: Something staged is missing, too large or no plain file of the agent.
        NoSpaceError: The disk is full; nothing is left in `incoming`.
    """
    tree.empty(incoming)
    try:
        with full_disk_named(incoming):
            _fetch(agent, incoming, bounds, progress)
    except BaseException:
        tree.empty(incoming)
        raise


def _fetch(
    agent: Path, incoming: Path, bounds: Bounds, progress: Callable[[int, int], None]
) -> None:
    opened: list[int] = []
    try:
        opened.append(_opened(str(agent), None, _FOLDER))
        opened.append(_opened("staging", opened[0], _FOLDER))
        opened.append(_opened("metadata", opened[1], _FOLDER))
        _copy("artifact", opened[1], incoming / "artifact", bounds, progress)
        (incoming / "metadata").mkdir(mode=0o755)
        (incoming / "metadata").chmod(0o755)
        names: list[str] = []
        with os.scandir(opened[2]) as found:
            for entry in found:
                if len(names) == MOST_METADATA_FILES:
                    raise StagingError(f"more than {MOST_METADATA_FILES} metadata files are staged")
                names.append(entry.name)
        small = Bounds(owner=bounds.owner, image_bytes=LARGEST_METADATA_BYTES)
        for name in names:
            if not _METADATA_NAME.fullmatch(name):
                raise StagingError(f"{name[:60]!r} cannot be the name of a metadata file")
            copy = incoming / "metadata" / name
            _copy(name, opened[2], copy, small, lambda _done, _whole: None)
            copy.chmod(0o644)
    finally:
        for handle in opened:
            os.close(handle)


def _opened(name: str, parent: int | None, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError as error:
        raise StagingError(f"{Path(name).name} is not staged") from error
    except OSError as error:  # a link, or no folder
        raise StagingError(f"{Path(name).name} is not what it must be: {error.strerror}") from error


def _copy(
    name: str, parent: int, to: Path, bounds: Bounds, progress: Callable[[int, int], None]
) -> None:
    source = _opened(name, parent, _FILE)
    try:
        facts = os.fstat(source)
        if not stat.S_ISREG(facts.st_mode):
            raise StagingError(f"{name} is not a plain file")
        # Another name may lead to a file that the agent must not read, with the broker's help.
        if facts.st_nlink != 1 or (bounds.owner is not None and facts.st_uid != bounds.owner):
            raise StagingError(f"{name} does not belong to the agent alone")
        if facts.st_size > bounds.image_bytes:
            raise StagingError(f"{name} has more than {bounds.image_bytes} bytes")
        target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            done = 0
            while done <= bounds.image_bytes:
                sent = os.sendfile(target, source, None, CHUNK_BYTES)
                if not sent:
                    return
                done += sent
                progress(done, facts.st_size)
            raise StagingError(f"{name} grew beyond {bounds.image_bytes} bytes")
        finally:
            os.close(target)
    finally:
        os.close(source)
