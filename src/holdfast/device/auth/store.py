"""The accounts of a device in one 0600 file, schema 2; the first schema is read as well."""

import json
import stat
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole
from holdfast.device.auth.errors import AccountsFileError

SCHEMA = 2
OWNER = "owner"
WRAPPED = "$holdfast-wrapped"
"""How the stored hash of an account of an older product begins."""
MOST_ACCOUNTS = 32
MOST_KNOWN = 128
MOST_SOURCES = 16
_FILE_MODE = 0o600
_MOST_BYTES = 1 << 18
_CLAIMED = "claimed"
_DAMAGES = (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)
_UNREADABLE = "The file with the accounts of this device is damaged or cannot be read."


class Account(NamedTuple):
    """Somebody who may log in with a password that this device keeps.

    Attributes:
        name: In lower case, as it is compared.
        role: `owner`, or another role of the product profile.
        hash: As `holdfast.accounts.hashing` stores it.
        epoch: Changes with everything that ends the account's sessions; never used twice.
        sealed: Sealed seed of the app that shows codes; empty for no second factor.
        last_step: Step of the last code that was used.
        recovery: Keyed hashes of unused recovery codes.
        sources: Where somebody logged in from, the latest last.
    """

    name: str
    role: str
    hash: str
    epoch: int = 0
    sealed: str = ""
    last_step: int = 0
    recovery: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class Known(NamedTuple):
    """A browser from which somebody logged in.

    Attributes:
        name: Account for which it counts; also one that only a directory knows.
        until: End of its life, aware, in UTC.
    """

    name: str
    until: datetime


class Kept(NamedTuple):
    """What the file holds.

    Attributes:
        accounts: By name.
        known: Browsers by id of their cookie, oldest first.
        epoch: Highest epoch that was ever given.
        code_mark: Of the set-up code that was used up (`setup_code.mark_of`); empty if it was used
            up before there were marks.
        old_failures: Failed logins by name, as the first schema counted them; None where this
            schema was read.
    """

    accounts: Mapping[str, Account] = MappingProxyType({})
    known: Mapping[str, Known] = MappingProxyType({})
    epoch: int = 0
    code_mark: str = ""
    old_failures: Mapping[str, int] | None = None

    @property
    def lasting_owners(self) -> frozenset[str]:
        """Owners who can log in for as long as the device lives.

        Not those whose password was taken over and not typed here yet: it opens nothing after its
        deadline.
        """
        return frozenset(
            one.name
            for one in self.accounts.values()
            if one.role == OWNER and not one.hash.startswith(WRAPPED)
        )

    def with_account(self, account: Account) -> "Kept":
        """Put an account in, in place of one with the same name."""
        return self._replace(accounts={**self.accounts, account.name: account})

    def without_account(self, name: str) -> "Kept":
        """Take an account out, and the browsers known for it."""
        left = {key: one for key, one in self.accounts.items() if key != name}
        return self._replace(accounts=left).without_known(name)

    def with_known(self, cookie_id: str, known: Known, *, most_of_a_name: int) -> "Kept":
        """Remember a browser; of too many the oldest are forgotten.

        First those of people whom only a directory knows: there may be any number of them, and they
        must not push out the browsers of those who can mend the device.
        """
        all_known = {**self.known, cookie_id: known}
        of_name = [key for key, one in all_known.items() if one.name == known.name]
        for key in of_name[:-most_of_a_name]:
            del all_known[key]
        outside = [key for key, one in all_known.items() if one.name not in self.accounts]
        for key in (*outside, *all_known):
            if len(all_known) <= MOST_KNOWN:
                break
            all_known.pop(key, None)
        return self._replace(known=all_known)

    def without_known(self, name: str) -> "Kept":
        """Forget all browsers of a name."""
        left = {key: one for key, one in self.known.items() if one.name != name}
        return self._replace(known=left)


def read(path: Path) -> Kept:
    """Read the file; only where there is none has nobody claimed the device.

    Raises:
        AccountsFileError: It is damaged, or of another version. That never means "unclaimed": it
            would hand the device to the next visitor.
    """
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise AccountsFileError(_UNREADABLE) from error
    if stat.S_IMODE(mode) & 0o077:
        path.chmod(_FILE_MODE)
    try:
        return _of_plain(json.loads(text) if len(text) <= _MOST_BYTES else None)
    except _DAMAGES as error:
        raise AccountsFileError(_UNREADABLE) from error


def read_all(path: Path) -> Kept:
    """Read the file, and remember beside it that there was one: missing is then lost.

    Raises:
        AccountsFileError: It is damaged, of another version, or was lost.
    """
    for half in path.parent.glob(".*.json.*"):  # what a power cut left of a file
        with suppress(OSError):
            half.unlink()
    kept, mark = read(path), path.with_name(_CLAIMED)
    if kept.accounts:
        note_claimed(path)
    elif mark.exists():
        raise AccountsFileError("The file with the accounts of this device is lost.")
    return kept


def note_claimed(path: Path) -> None:
    """Remember that there are accounts; where that fails, the next start does it."""
    mark = path.with_name(_CLAIMED)
    if not mark.exists():
        with suppress(OSError, NoSpaceError):
            write_whole(mark, b"", mode=_FILE_MODE)


def _of_plain(content: Any) -> Kept:  # noqa: ANN401 - JSON
    schema = content["schema"]
    if schema == 1:
        return _of_first(content)
    if schema != SCHEMA:
        raise AccountsFileError("The accounts were written by another version of this software.")
    accounts = [
        Account(
            name=_text(one["name"]),
            role=_text(one["role"]),
            hash=_text(one["hash"]),
            epoch=int(one["epoch"]),
            sealed=str(one["sealed"]),
            last_step=int(one["last_step"]),
            recovery=tuple(_text(each) for each in one["recovery"]),
            sources=tuple(str(each) for each in one["sources"]),
        )
        for one in content["accounts"]
    ]
    known = {
        _text(key): Known(name=_text(one["name"]), until=_moment(one["until"]))
        for key, one in content["known"].items()
    }
    if not accounts:  # this schema is first written by the claim
        raise AccountsFileError(_UNREADABLE)
    mark = str(content.get("code_mark", ""))
    return _whole(accounts)._replace(known=known, epoch=int(content["epoch"]), code_mark=mark)


def _of_first(content: Any) -> Kept:  # noqa: ANN401 - JSON
    """Read what the first release wrote; its hashes are made anew at the next login."""
    accounts = [
        Account(name=_text(one["name"]), role=_text(one["role"]), hash=_text(one["hash"]), epoch=1)
        for one in content["accounts"]
    ]
    failures = {str(name): int(count) for name, count in content["failures"].items()}
    return _whole(accounts)._replace(epoch=1, old_failures=failures)


def _whole(accounts: list[Account]) -> Kept:
    by_name = {one.name: one for one in accounts}
    if len(by_name) != len(accounts):
        raise AccountsFileError(_UNREADABLE)
    if accounts and all(one.role != OWNER for one in accounts):
        raise AccountsFileError("The accounts of this device are without an owner.")
    return Kept(accounts=by_name)


def write(path: Path, kept: Kept) -> None:
    """Write the file, whole or not at all.

    Raises:
        NoSpaceError: The disk is full; the old file is untouched.
    """
    content = {
        "schema": SCHEMA,
        "epoch": kept.epoch,
        "code_mark": kept.code_mark,
        "accounts": [one._asdict() for one in kept.accounts.values()],
        "known": {
            key: {"name": one.name, "until": one.until.isoformat(timespec="seconds")}
            for key, one in kept.known.items()
        },
    }
    write_whole(path, json.dumps(content, indent=1).encode(), mode=_FILE_MODE)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing")
    return value


def _moment(text: str) -> datetime:
    read_moment = datetime.fromisoformat(text)
    if read_moment.tzinfo is None:
        raise ValueError("a moment without time zone")
    return read_moment.astimezone(UTC)
