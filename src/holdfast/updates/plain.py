"""Opening of files that somebody else may have put there: plain ones only, and never a wait."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain(path: Path | str, *, follow: bool = False, folder_fd: int | None = None) -> BinaryIO:
    """Open a plain file for reading; a pipe, device or folder is refused without waiting.

    Args:
        path: The file; relative to `folder_fd` if that is given.
        follow: Whether a symbolic link may stand there.
        folder_fd: An open folder.

    Raises:
        OSError: It cannot be opened, or is not a plain file; `strerror` says which.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags, dir_fd=folder_fd)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(0, "it is not a plain file", str(path))
