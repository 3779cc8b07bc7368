"""What the hub keeps on its disk: made once, and held by one process at a time."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.core.errors import BusyError, UsageError
from holdfast.core.files import write_whole
from holdfast.hub.config import HubConfig

LOCK_PATIENCE_S = 2.0
_FOLDER_MODE = 0o700


def prepare(config: HubConfig) -> None:
    """Make the folders and the key that signs sessions, unless they exist.

    Raises:
        UsageError: They cannot be made or written.
    """
    try:
        for folder in (config.state, config.uploads):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        with alone(config):
            if not config.secret_key.exists():
                key = secrets.token_urlsafe(48).encode() + b"\n"
                write_whole(config.secret_key, key, mode=0o600)
    except OSError as error:
        place = error.filename or config.state
        refusal = UsageError(f"the hub cannot keep its state in {place}: {error.strerror}")
        refusal.hint = "Give it a folder that it may write: `state` in hub.toml."
        raise refusal from error


@contextmanager
def alone(config: HubConfig) -> Iterator[None]:
    """Make something in the state folder while no other process of the hub does.

    Hub and worker are started at the same moment, the first time too.
    """
    folder = os.open(config.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _try_lock(handle: int, *, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            # The processes of a hub that was killed a moment ago are still ending.
            time.sleep(0.05)
        else:
            return True


@contextmanager
def held(path: Path, *, what: str, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Hold a lock file, which ends with the process whatever ends it.

    Args:
        path: The lock file; it holds the number of the process.
        what: What is locked, for the message: `hub` or `worker`.
        patience_s: Seconds to wait for a process that is just ending.

    Raises:
        BusyError: Another process holds it; the message names that process.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _try_lock(handle, patience_s=patience_s):
            pid = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            error = BusyError(f"another {what} (process {pid}) already uses {path.parent}")
            error.hint = (
                f"Stop it first (kill {pid}), or give this one a folder of its own: "
                "`state` in hub.toml."
            )
            raise error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
