"""Who may use this device: the accounts, their hashes and the claim, in one 0600 file."""

import json
import re
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole
from holdfast.device.auth import setup_code
from holdfast.device.auth.errors import (
    AccountNameError,
    AccountsFileError,
    ClaimedError,
    LoginError,
    PasswordError,
    SetupCodeError,
    UnclaimedError,
)
from holdfast.device.auth.passwords import LONGEST, must_be_usable, normalised
from holdfast.device.auth.throttle import Throttle

SCHEMA = 1
OWNER = "owner"
_FILE_MODE = 0o600
_NAME = re.compile(r"[^\W_](?:[\w.-]{0,30}[^\W_])?", re.ASCII)
_MOST_CODE = 64
_CLAIM = "claim"
_UNREADABLE = "The file with the accounts of this device is damaged or cannot be read."


class SecretHasher(Protocol):
    """What makes and checks hashes."""

    def make(self, secret: str) -> str:
        """Hash a secret."""
        ...

    def matches(self, stored: str, secret: str) -> bool:
        """Whether a secret is the hashed one."""
        ...


class Account(NamedTuple):
    """Somebody who may log in.

    Attributes:
        name: In lower case, as it is compared.
        role: `owner`.
        hash: Argon2id string.
    """

    name: str
    role: str
    hash: str


class _Kept(NamedTuple):
    """What the file holds."""

    accounts: Mapping[str, Account] = MappingProxyType({})
    failures: Mapping[str, int] = MappingProxyType({})
    claim_failures: Mapping[str, int] = MappingProxyType({})
    # Hash of a secret that nobody knows: unknown names are checked against it, as long as others.
    decoy: str = ""


class Accounts:
    """The accounts of one device.

    Args:
        path: The file; made 0600 when first written.
        setup_hash: Reads the factory's hash of the set-up code.
        hasher: Makes and checks hashes.
        monotonic: A clock that only runs forward.
    """

    def __init__(
        self,
        path: Path,
        *,
        setup_hash: Callable[[], str],
        hasher: SecretHasher,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._setup_hash = setup_hash
        self._hasher = hasher
        self._kept = _read(path)
        self._logins = Throttle(self._kept.failures, monotonic=monotonic)
        self._claims = Throttle(self._kept.claim_failures, monotonic=monotonic)

    @property
    def claimed(self) -> bool:
        """Whether the device has an owner; then the set-up code is worth nothing any more."""
        return bool(self._kept.accounts)

    def claim(self, *, code: str, name: str, password: str) -> Account:
        """Make the owner's account in exchange for the set-up code, once.

        Raises:
            ClaimedError: There is an owner already.
            SlowDownError: Too many wrong codes.
            SetupCodeError: The code is wrong.
            AccountNameError: The name cannot be used.
            PasswordError: The password cannot be used.
        """
        if self.claimed:
            raise ClaimedError
        self._claims.must_wait(_CLAIM)
        account_name = name_of(name)
        form = must_be_usable(password, name=account_name)
        if _same_letters(code, password):
            raise PasswordError("The set-up code may not be the password.")
        if len(code) > _MOST_CODE or not self._hasher.matches(
            self._setup_hash(), setup_code.normalised(code)
        ):
            self._claims.count(_CLAIM)
            self._write_counts()
            raise SetupCodeError
        account = Account(name=account_name, role=OWNER, hash=self._hasher.make(form))
        decoy = self._hasher.make(setup_code.make() + setup_code.make())
        self._claims.forget(_CLAIM)
        kept = self._kept
        self._kept = _Kept(accounts={account_name: account}, decoy=decoy)
        try:
            self._write()
        except BaseException:
            # Not on disk is not claimed: the owner sees the failure and tries again.
            self._kept = kept
            raise
        return account

    def login(self, *, name: str, password: str) -> Account:
        """Say who this is.

        Raises:
            UnclaimedError: There is no account yet.
            SlowDownError: Too many failures.
            LoginError: Name and password do not belong together.
        """
        if not self.claimed:
            raise UnclaimedError
        known = _folded(name)[:LONGEST]
        self._logins.must_wait(known)
        account = self._kept.accounts.get(known)
        stored = account.hash if account is not None else self._kept.decoy
        fits = len(password) <= LONGEST and self._hasher.matches(stored, password)
        if account is None or not fits:
            # Unknown names are counted like known ones, or the difference would tell them apart.
            self._logins.count(known, keep=self._kept.accounts)
            self._write_counts()
            raise LoginError
        if self._logins.forget(known):
            self._write_counts()
        return account

    def _write_counts(self) -> None:
        # They count until the next start all the same; a full disk must not lock the owner out.
        with suppress(OSError, NoSpaceError):
            self._write()

    def _write(self) -> None:
        kept = self._kept
        content = {
            "schema": SCHEMA,
            "accounts": [
                {"name": one.name, "role": one.role, "hash": one.hash}
                for one in kept.accounts.values()
            ],
            "failures": dict(self._logins.failures),
            "claim_failures": dict(self._claims.failures),
            "decoy": kept.decoy,
        }
        write_whole(self._path, json.dumps(content, indent=1).encode(), mode=_FILE_MODE)


def name_of(typed: str) -> str:
    """Give the form in which an account name is kept and compared.

    Raises:
        AccountNameError: It cannot be used.
    """
    name = _folded(typed)
    if not _NAME.fullmatch(name):
        raise AccountNameError("This account name cannot be used.")
    return name


def _folded(typed: str) -> str:
    return normalised(typed[: 4 * LONGEST]).strip().casefold()


def _same_letters(code: str, password: str) -> bool:
    return setup_code.normalised(code) == setup_code.normalised(password[:LONGEST])


def _read(path: Path) -> _Kept:
    try:
        mode = path.stat().st_mode
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return _Kept()
    except (OSError, ValueError, RecursionError) as error:
        raise AccountsFileError(_UNREADABLE) from error
    if stat.S_IMODE(mode) & 0o077:
        path.chmod(_FILE_MODE)
    try:
        if content["schema"] != SCHEMA:
            raise AccountsFileError(
                "The accounts were written by another version of this software."
            )
        accounts = [
            Account(name=str(one["name"]), role=str(one["role"]), hash=str(one["hash"]))
            for one in content["accounts"]
        ]
        return _Kept(
            accounts={one.name: one for one in accounts},
            failures={str(key): int(count) for key, count in content["failures"].items()},
            claim_failures={
                str(key): int(count) for key, count in content["claim_failures"].items()
            },
            decoy=str(content["decoy"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # A damaged file never means "unclaimed": that would hand the device to the next visitor.
        raise AccountsFileError(_UNREADABLE) from error
