"""The accounts of a device as they are now: in memory, and the same on the disk."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import RLock

from holdfast.accounts import cookies
from holdfast.core.errors import NoSpaceError
from holdfast.device.auth import store
from holdfast.device.auth.store import Account, Kept, Known


class Register:
    """What is kept, and how it changes.

    Attributes:
        kept: What is in force.
        lock: Held by whoever reads it to change it.

    Args:
        path: The file; 0600.
        now: The present moment.

    Raises:
        AccountsFileError: It is damaged, or was lost.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self.lock = RLock()
        self._path = path
        self.kept = store.read_all(path)

    @property
    def claimed(self) -> bool:
        """Whether the device has an owner; then the set-up code is worth nothing any more."""
        return bool(self.kept.accounts)

    def change(self, kept: Kept) -> None:
        """Put a new state into force, once it is on the disk.

        Raises:
            NoSpaceError: The disk is full; nothing has changed.
        """
        with self.lock:
            store.write(self._path, kept)
            self.kept = kept

    def change_quietly(self, name: str, **changes: object) -> None:
        """Change something whose loss at the next start harms nobody, even on a full disk."""
        with self.lock:
            account = self.kept.accounts.get(name)
            if account is None:
                return
            self.kept = self.kept.with_account(account._replace(**changes))  # type: ignore[arg-type]  # names of fields
            self._write_quietly()

    def remember(self, name: str, cookie_id: str) -> None:
        """Know a browser from now on."""
        known = Known(name=name, until=self.now() + cookies.LIFE)
        with self.lock:
            self.kept = self.kept.with_known(
                cookie_id, known, most_of_a_name=cookies.MOST_OF_A_NAME
            )
            self._write_quietly()

    def strike(self, account: Account, index: int) -> None:
        """Burn a recovery code; one that cannot be burnt is not heard.

        Raises:
            NoSpaceError: The disk is full.
        """
        left = (*account.recovery[:index], *account.recovery[index + 1 :])
        with self.lock:
            self.change(self.kept.with_account(account._replace(recovery=left)))

    def leave_first_schema(self) -> None:
        """Leave the first schema behind, so that its counts are not taken over twice."""
        with suppress(OSError, NoSpaceError):
            if self.kept.accounts:
                store.write(self._path, self.kept)
            else:  # only counts of wrong set-up codes were in it
                self._path.unlink(missing_ok=True)

    def note_claimed(self) -> None:
        """Remember beside the file that there is one."""
        store.note_claimed(self._path)

    def _write_quietly(self) -> None:
        with suppress(OSError, NoSpaceError):
            store.write(self._path, self.kept)
