"""Keeps the counts of failed logins over a restart; lost counts begin strict, never at zero."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.accounts.errors import ThrottleFileError
from holdfast.accounts.throttle import CodeThrottle, Throttle, Who
from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole

_MOST_BYTES = 1 << 18
_FILE_MODE = 0o600
_MOST_OLD = 20


class Counters:
    """All counts of one device.

    Attributes:
        passwords: Counts of passwords and of the codes that go with them.
        codes: Counts of set-up and recovery codes.
        lost: Whether there were counts that cannot be read.

    Args:
        path: The file; 0600.
        monotonic: A clock that only runs forward.
        expected: Whether there must be a file: then a missing one is a lost one.
    """

    def __init__(
        self, path: Path, *, monotonic: Callable[[], float], expected: bool = False
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        now_s = monotonic()
        self.lost = False
        self.passwords = Throttle(now_s=now_s)
        self.codes = CodeThrottle()
        try:
            found = self._read()
            if found is None and expected:
                raise ThrottleFileError  # noqa: TRY301 - lost like a damaged one
            if found is not None:
                self.passwords = Throttle.of_plain(found["passwords"], now_s=now_s)
                self.codes = CodeThrottle.of_plain(found["codes"], now_s=now_s)
        except (ThrottleFileError, ValueError, KeyError, TypeError, RecursionError, OSError):
            self.lost = True
            self.passwords = Throttle.after_loss(now_s=now_s)
            self.codes = CodeThrottle()
            self.write()

    def take_over(self, failures: dict[str, int]) -> None:
        """Count what an older release had counted, by name."""
        now_s = self._monotonic()
        for name, count in failures.items():
            for _ in range(min(count, _MOST_OLD)):
                self.passwords.failed(Who(name=name, source=""), now_s=now_s)

    def write(self) -> None:
        """Write them down; on a full disk they count until the next start all the same."""
        content = {
            "passwords": self.passwords.plain(now_s=self._monotonic()),
            "codes": self.codes.plain(),
        }
        with suppress(OSError, NoSpaceError):
            packed = json.dumps(content, separators=(",", ":")).encode()
            write_whole(self._path, packed, mode=_FILE_MODE)

    def _read(self) -> Any:  # noqa: ANN401 - JSON
        try:
            with self._path.open("rb") as file:
                text = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(text) > _MOST_BYTES:
            raise ThrottleFileError
        return json.loads(text)
