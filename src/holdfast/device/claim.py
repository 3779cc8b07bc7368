"""Whether the device has an owner, as the launcher sees it; and until when it can get one.

Until then nothing on the device answers but the claim page. Standard library only.
"""

import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole

LOOK_EVERY_S = 0.5
_LONGEST_FILE_BYTES = 1 << 20
_POWER = "power.json"


def mark_of(folder: Path) -> Path:
    """Name the file with which the launcher remembers that the device has an owner."""
    return folder / "boot" / "claimed"


class Gate:
    """Opens once, when the device gets its owner, and stays open until a factory reset.

    What auth wrote is believed only as far as that there is an account: the launcher remembers
    it by itself, so that accounts which are damaged later do not stop what the owner uses.

    Args:
        folder: Folder of the device.
    """

    def __init__(self, folder: Path) -> None:
        self._mark = mark_of(folder)
        self._accounts = folder / "auth" / "accounts.json"
        self._seen: tuple[int, int] | None = None
        self.open = self._mark.exists()
        self.next_look = 0.0

    def look(self, now: float) -> bool:
        """Tell whether the device got its owner since the last look.

        Args:
            now: A clock that only runs forward, in seconds.
        """
        if self.open or now < self.next_look:
            return False
        self.next_look = now + LOOK_EVERY_S
        if not self._has_account():
            return False
        with suppress(OSError, NoSpaceError):  # then it is found again at the next start
            write_whole(self._mark, b"")
        self.open = True
        return True

    def _has_account(self) -> bool:
        try:
            # Auth may be in hostile hands: neither a link nor a pipe may hold the launcher up.
            handle = os.open(self._accounts, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                facts = os.fstat(handle)
                seen = (facts.st_mtime_ns, facts.st_ino)
                if seen == self._seen or not stat.S_ISREG(facts.st_mode):
                    return False
                self._seen = seen
                content: Any = json.loads(os.read(handle, _LONGEST_FILE_BYTES))
            finally:
                os.close(handle)
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(content, dict) and bool(content.get("accounts"))


def note_power_on(run: Path) -> None:
    """Note the moment of switching on; a restart that somebody asks for is none.

    Args:
        run: The folder `run` of the device.
    """
    with suppress(OSError, NoSpaceError):
        write_whole(run / _POWER, json.dumps({"on_s": time.monotonic()}).encode())


def is_in_time(run: Path, claim_s: int) -> bool:
    """Whether the device was switched on so recently that it can be claimed.

    A device that was bought, connected and forgotten does not wait for ever for the first one
    who has seen its label; whoever switches it off and on again has it in his hands.

    Args:
        run: The folder `run` of the device.
        claim_s: Seconds after power-on in which it can be claimed.
    """
    try:
        on_s = float(json.loads((run / _POWER).read_bytes())["on_s"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return True  # no launcher has noted it: this process was started by hand
    return 0 <= time.monotonic() - on_s < claim_s
