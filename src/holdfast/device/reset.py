"""Factory reset: makes everything of an owner gone, all or nothing, whatever the power does.

It is asked for by who has the device in his hands: the button held at power-on, or root in its
folder. It is the only way back after a lost password, and the way to hand a device on; there is
no other account, no master code and no verb that a process of the device could call.

What goes: accounts, device key, throttle, log of logins, central login with its secrets,
sessions, settings of updates, the owner's address, history, journals and logs.
What stays: both slots and which of them is good, the lists that the verifier believes (an old
release stays refused), and all of `factory/`: the set-up code on the label is valid again, and
the certificate is still the one on the label.

Standard library only; nothing else runs while it works.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.core.files import sync_folder, write_whole
from holdfast.device.claim import mark_of
from holdfast.device.layout import LOCK

HOLD_S = 10.0
"""Seconds for which the button must be held, from power-on."""

_LOOK_S = 0.1
_PRESSED = b"1"
_GONE = ("auth", "gui", "run/log")
_GONE_FILES = ("broker/journal.jsonl", "broker/journal.1.jsonl", "run/boot.log", "run/boot.1.log")
_WRITABLE_BY_OTHERS = 0o022
_LONGEST_FILE_BYTES = 4 << 20
_ADDRESS = "owner-address"


class ResetError(HoldfastError):
    """The factory reset could not be completed; it is repeated at the next start."""

    code = "device-reset"
    hint = "Switch the device off and on again; if it stays so, its storage is failing."


def order_of(folder: Path) -> Path:
    """Name the file that orders a reset until it is complete."""
    return folder / "boot" / "reset"


def _held_before(folder: Path) -> Path:
    return folder / "boot" / "button-held"


def order(folder: Path, *, by: str) -> None:
    """Order a reset; from now on it happens, at the latest at the next start.

    Args:
        folder: Folder of the device.
        by: `button` or `command`.

    Raises:
        NoSpaceError: The disk is full, and nothing could be spared.
    """
    content = json.dumps({"by": by}).encode()
    try:
        write_whole(order_of(folder), content)
    except NoSpaceError:
        # Whoever fills the disk must not keep the owner from this; both can be spared.
        _empty(folder / "run" / "log")
        _empty(folder / "agent" / "staging")
        write_whole(order_of(folder), content)


def is_ordered(folder: Path) -> bool:
    """Whether a reset was ordered and is not complete."""
    return order_of(folder).exists()


def is_pressed(button: Path) -> bool:
    """Whether the reset button is pressed: a file of root that holds `1`.

    On a real board it is the `value` of a GPIO line below `/sys`. A file that anybody else could
    write, or a link, is no button.
    """
    try:
        handle = os.open(button, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        facts = os.fstat(handle)
        ours = facts.st_uid in {0, os.geteuid()} and not facts.st_mode & _WRITABLE_BY_OTHERS
        return ours and stat.S_ISREG(facts.st_mode) and os.read(handle, 8).strip() == _PRESSED
    except OSError:
        return False
    finally:
        os.close(handle)


def ask_button(
    folder: Path,
    button: Path,
    *,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Order a reset if the button is held for `HOLD_S` from now on; called at power-on.

    A button that was not let go since it caused a reset causes no second one: else one that is
    stuck would take the device from its owner at each start.

    Args:
        folder: Folder of the device.
        button: Where its state is read.
        say: Writes a line of the boot log.
        sleep: Waits for seconds.
        monotonic: A clock that only runs forward.
    """
    held = _held_before(folder)
    if not is_pressed(button):
        held.unlink(missing_ok=True)
        return
    if held.exists():
        say("the reset button was not let go since the last reset: it is not listened to")
        return
    say(f"the reset button is pressed: held for {HOLD_S:g} seconds it erases everything")
    begun = monotonic()
    while monotonic() - begun < HOLD_S:
        sleep(_LOOK_S)
        if not is_pressed(button):
            say("the reset button was let go in time: nothing is erased")
            return
    order(folder, by="button")
    with suppress(OSError, NoSpaceError):
        write_whole(held, b"")


def carry_out(folder: Path) -> None:
    """Do what was ordered; a cut anywhere in it is made good by doing it again.

    The order is the last thing that goes, so that no half of an owner is left.

    Args:
        folder: Folder of the device; nothing of it may run.

    Raises:
        ResetError: Something could not be removed; the order stands.
    """
    try:
        _forget_owner_in_agent(folder / "agent")
        for name in _GONE:
            _empty(folder / name)
        for name in _GONE_FILES:
            (folder / name).unlink(missing_ok=True)
        mark_of(folder).unlink(missing_ok=True)
        for name in (*_GONE, "agent", "broker", "boot"):
            if (folder / name).is_dir():
                sync_folder(folder / name)
        order_of(folder).unlink()
        sync_folder(folder / "boot")
    except (OSError, NoSpaceError) as error:
        raise ResetError(f"the factory reset is not complete: {error}") from error


def carried_out_alone(folder: Path) -> bool:
    """Do what was ordered unless the device runs; then its next start does it.

    Raises:
        ResetError: Something could not be removed; the order stands.
    """
    path = folder / "run" / LOCK
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        carry_out(folder)
    finally:
        os.close(lock)
    return True


def _forget_owner_in_agent(agent: Path) -> None:
    """Begin the agent's memory anew; the hub is still told to forget the owner's address."""
    from holdfast.device.agent import memory  # noqa: PLC0415 - needed in a reset only

    if not agent.is_dir():
        return
    file = agent / "state.json"
    old, fault = memory.Memory(), "it is no file of the agent"
    if not file.exists():
        fault = ""
    elif _is_plain(file):
        old, fault = memory.read(file)
    fresh = memory.Memory(passed_ms=old.passed_ms)
    waiting = any(one.get("once") == _ADDRESS for one in old.reports)
    if old.address or waiting or fault:
        body = {"address": "", "action": "unsubscribe"}
        fresh.report("POST", _ADDRESS, body, once=_ADDRESS)
    _empty(agent, keep=file.name)  # first: on a full disk what follows needs the space
    if not _is_plain(file):
        _remove(file)
    memory.write(file, fresh)
    owner = agent.stat()
    os.chown(file, owner.st_uid, owner.st_gid)


def _is_plain(file: Path) -> bool:
    """Whether root may read what another process left there: a file, no link, not endless."""
    with suppress(OSError):
        facts = file.lstat()
        return stat.S_ISREG(facts.st_mode) and facts.st_size <= _LONGEST_FILE_BYTES
    return False


def _empty(folder: Path, *, keep: str = "") -> None:
    """Remove what is in a folder; links are removed, never followed.

    Folders are flattened one by one: no depth that hostile code made can exceed a path's length
    or the depth of calls.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    while left := [path for path in folder.iterdir() if path.name != keep and not _is_bare(path)]:
        for path in left:
            if path.is_symlink() or not path.is_dir():
                _remove(path)
            elif path.is_mount():
                _empty(path)
            else:
                for inside in path.iterdir():
                    if inside.is_dir() and not inside.is_symlink():
                        inside.rename(folder / f"gone-{os.urandom(8).hex()}")
                    else:
                        _remove(inside)
                path.rmdir()


def _is_bare(path: Path) -> bool:
    """Whether it is where another file system begins, and that is empty: it cannot be removed."""
    return path.is_mount() and not any(path.iterdir())


def _remove(path: Path) -> None:
    """Remove a file, after zeros were written over it."""
    _overwrite(path)
    path.unlink(missing_ok=True)


def _overwrite(path: Path) -> None:
    """Write zeros over a secret before its name goes; flash may keep the old block all the same.

    A second name of the same file (a hard link) is somebody else's file: it is left alone.
    """
    with suppress(OSError):
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags)
        with os.fdopen(handle, "wb") as file:
            facts = os.fstat(file.fileno())
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                file.write(bytes(facts.st_size))
                file.flush()
                os.fsync(file.fileno())
