"""Measures how much a folder holds, within a bound of its own, whatever it holds."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_BLOCK_BYTES = 512  # the unit of st_blocks on every Linux


class Usage(NamedTuple):
    """What a folder takes.

    Attributes:
        size_bytes: On the disk, holes not counted.
        files: Names.
    """

    size_bytes: int
    files: int


def usage_of(folder: Path, *, most_bytes: int, most_files: int) -> Usage:
    """Add up a folder, and stop as soon as it is too much; links are not followed."""
    size = files = 0
    waiting = [str(folder)]
    while waiting:
        # What is being written and removed meanwhile is met in every state.
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                with suppress(OSError):
                    known = entry.stat(follow_symlinks=False)
                    size += known.st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if size > most_bytes or files > most_files:
                    return Usage(size, files)
    return Usage(size, files)
