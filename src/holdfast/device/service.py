"""What agent and auth share: their socket, who may call, words of the command line, the end."""

import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from holdfast.core.errors import UsageError
from holdfast.device import settings as device_settings
from holdfast.device.broker import wire
from holdfast.device.settings import Settings, Uids
from holdfast.hardening.verbs import AGENT, AUTH, GUI, ROOT

_SHARED_MODE = 0o660
_EVERYBODY = frozenset({AGENT, AUTH, GUI, ROOT})


def words_of(arguments: Sequence[str], allowed: frozenset[str]) -> dict[str, str]:
    """Read `--name value` pairs; argparse would cost a resident process a megabyte.

    Raises:
        UsageError: A word is unknown, or has no value.
    """
    words: dict[str, str] = {}
    left = list(arguments)
    while left:
        name = left.pop(0).removeprefix("--")
        if name not in allowed or not left:
            listed = " ".join(f"--{one} ..." for one in sorted(allowed))
            raise UsageError(f"expected {listed}")
        words[name] = left.pop(0)
    return words


WORDS = frozenset({"settings", "config", "fd"})
"""What the command lines of agent, auth and gui may say."""


def settings_of(words: Mapping[str, str]) -> Settings:
    """Take the settings that the launcher handed over, or read `device.toml` by hand.

    Raises:
        HoldfastError: They are missing or faulty.
    """
    if "settings" in words:
        try:
            return device_settings.unpack(words["settings"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError("--settings makes no sense; the launcher writes it") from error
    # Reading the file by oneself costs 700 kB that a resident process then carries.
    from holdfast.device import config  # noqa: PLC0415

    return config.read(Path(words.get("config", "device.toml")))


def callers(uids: Uids, *, own: int) -> dict[int, frozenset[str]]:
    """Say for whom each uid stands.

    Args:
        uids: Ids of the processes when they were started as root.
        own: Uid of this process; if it is none of `uids`, all processes share it and nobody can
            be told apart, which the launcher says clearly.
    """
    if own in {uids.agent, uids.auth, uids.gui}:
        return {
            0: frozenset({ROOT}),
            uids.agent: frozenset({AGENT}),
            uids.auth: frozenset({AUTH}),
            uids.gui: frozenset({GUI}),
        }
    return {own: _EVERYBODY, 0: _EVERYBODY}


def listener(path: Path, config: Settings, fd: str | None) -> socket.socket:
    """Take over the socket of this process, or make it where none was handed over."""
    if fd is not None:
        return wire.inherited(int(fd))
    made = wire.listen(path, mode=0o600)
    if os.getuid() in {config.uids.agent, config.uids.auth}:
        os.chown(path, -1, config.uids.sockets)
        path.chmod(_SHARED_MODE)
    return made


def until_told(stop: Callable[[], None]) -> None:
    """Call `stop` when the process is asked to end."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _number, _frame: stop())


def say(event: str, **facts: object) -> None:
    """Write one line of log: a constant event and its facts; never a secret.

    On a full disk nothing is logged, and nothing else stops because of it.
    """
    told = " ".join(f"{key}={value}" for key, value in facts.items())
    with suppress(OSError):
        # Not by sys.stderr, which would keep what could not be written and fail at the end.
        os.write(2, f"{event} {told}\n".encode(errors="backslashreplace"))
