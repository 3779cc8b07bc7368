"""The folders of a device: who owns them, and who may look inside. Standard library only."""

import os
from pathlib import Path
from typing import NamedTuple

from holdfast.core.errors import HoldfastError
from holdfast.core.files import closed_above
from holdfast.device.services import Plan

LOCK = "launcher.lock"
"""Held by the launcher of a running device, in the folder `run`."""


class UnreachableFolderError(HoldfastError):
    """The device's processes could not enter the folder of the device."""

    code = "device-folder"
    exit_code = 2


class _Folder(NamedTuple):
    name: str
    owner: str
    mode: int


# Owner "root" is whoever starts the launcher; the others are processes of the device.
_FOLDERS = (
    _Folder("factory", "root", 0o755),
    _Folder("slots", "root", 0o711),
    _Folder("slots/a", "root", 0o711),
    _Folder("slots/b", "root", 0o711),
    _Folder("boot", "root", 0o755),
    _Folder("broker", "root", 0o711),
    _Folder("broker/incoming", "root", 0o711),
    _Folder("verifier", "root", 0o711),
    _Folder("verifier/trusted", "verifier", 0o700),
    _Folder("agent", "agent", 0o700),
    _Folder("auth", "auth", 0o700),
    _Folder("gui", "gui", 0o700),
    _Folder("run", "root", 0o755),
    _Folder("run/log", "root", 0o755),
)
_FILES = (
    _Folder("factory/token", "agent", 0o400),
    _Folder("factory/setup-code.hash", "auth", 0o400),
    _Folder("factory/tls-key.pem", "gui", 0o400),
    _Folder("factory/tls-certificate.pem", "root", 0o444),
    _Folder("factory/root.json", "root", 0o444),
    _Folder("factory/product.toml", "root", 0o444),
)


def arrange(plan: Plan) -> None:
    """Make what is missing and give everything its owner, at each start."""
    plan.folder.chmod(plan.folder.stat().st_mode & 0o777 | 0o711)
    for folder in _FOLDERS:
        path = plan.folder / folder.name
        path.mkdir(exist_ok=True)
        _give(path, folder, plan)
    for file in _FILES:
        path = plan.folder / file.name
        if path.exists():
            _give(path, file, plan)
    _give(plan.config, _Folder(plan.config.name, "root", 0o644), plan)


def _give(path: Path, wanted: _Folder, plan: Plan) -> None:
    facts = path.lstat()
    uid = plan.uids.get(wanted.owner)
    if uid is not None and (facts.st_uid, facts.st_gid) != (uid, uid):
        _own(path, uid)
    if facts.st_mode & 0o7777 != wanted.mode:
        path.chmod(wanted.mode)


def _own(path: Path, uid: int) -> None:
    # A device that ran as an ordinary user before: what is inside changes hands as well.
    os.chown(path, uid, uid, follow_symlinks=False)
    if path.is_dir() and not path.is_symlink():
        for inside in path.iterdir():
            _own(inside, uid)


def must_be_reachable(plan: Plan) -> None:
    """Refuse a folder into which processes with ids of their own could not look.

    Raises:
        UnreachableFolderError: A folder above it is closed to others.
    """
    if not plan.folder.is_dir():
        error = UnreachableFolderError(f"there is no folder {plan.folder}")
        error.hint = "Make a device with `holdfast device new`."
        raise error
    if not plan.uids:
        return
    closed = closed_above(plan.folder)
    if closed is not None:
        error = UnreachableFolderError(
            f"{closed} is closed to other users, so the device's processes cannot pass"
        )
        error.hint = f"chmod go+x {closed}, or put the device elsewhere."
        raise error
