"""The keys of one device, without which its stored hashes and sealed secrets are worth nothing.

Auth makes them at the first start and holds them in one 0600 file. A factory reset destroys the
file; a copy of the accounts that is moved to another device does not work there.
"""

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from holdfast.accounts.errors import DeviceKeysError, UnknownKeyError
from holdfast.core.files import write_whole

SCHEMA: Final = 1
SECRET_BYTES: Final = 32
MOST_KEYS: Final = 16
MOST_BYTES: Final = 4096
_ID_BYTES: Final = 4
_MODE: Final = 0o600
Randomness = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKey:
    """One key of a device.

    Attributes:
        secret: 32 random bytes; never used as they are, only through `derived`.
        id: Eight hexadecimal digits that follow from the secret, so that damage shows.
    """

    secret: bytes = field(repr=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        """Refuse another length.

        Raises:
            DeviceKeysError: The secret is not of 32 bytes.
        """
        if len(self.secret) != SECRET_BYTES:
            raise DeviceKeysError(f"a key has {len(self.secret)} bytes and not {SECRET_BYTES}")
        object.__setattr__(self, "id", self.derived("id")[:_ID_BYTES].hex())

    @classmethod
    def made(cls, randomness: Randomness = os.urandom) -> Self:
        """Make a new one."""
        return cls(secret=randomness(SECRET_BYTES))

    def derived(self, purpose: str) -> bytes:
        """Give the key of 32 bytes for one purpose; no purpose can tell that of another.

        Source:
            RFC 5869 section 2.3 with one block; 3.3 lets a random key go without extraction.
        """
        text = b"holdfast device key\0" + purpose.encode() + b"\x01"
        return hmac.digest(self.secret, text, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """All keys of a device, the newest last: new hashes take that one, old ones still verify.

    Attributes:
        keys: At least one, at most 16.
    """

    keys: tuple[DeviceKey, ...]

    def __post_init__(self) -> None:
        """Refuse none, many, and the same twice.

        Raises:
            DeviceKeysError: It is so.
        """
        if not 1 <= len(self.keys) <= MOST_KEYS:
            raise DeviceKeysError(f"there are {len(self.keys)} keys and not 1 to {MOST_KEYS}")
        if len({key.id for key in self.keys}) != len(self.keys):
            raise DeviceKeysError("two keys have the same id")

    @classmethod
    def made(cls, randomness: Randomness = os.urandom) -> Self:
        """Make the first key of a device."""
        return cls((DeviceKey.made(randomness),))

    @property
    def newest(self) -> DeviceKey:
        """The key of everything new."""
        return self.keys[-1]

    def of(self, key_id: str) -> DeviceKey:
        """Give the key with an id.

        Raises:
            UnknownKeyError: It is gone, or was that of another device.
        """
        for key in self.keys:
            if key.id == key_id:
                return key
        raise UnknownKeyError(key_id)

    def rotated(self, randomness: Randomness = os.urandom) -> Self:
        """Add a new key as the newest; every other one goes on to verify."""
        return type(self)((*self.keys, DeviceKey.made(randomness)))

    def only(self, key_ids: set[str]) -> Self:
        """Drop the keys that nothing stored names any more; the newest stays."""
        kept = (key for key in self.keys if key.id in key_ids or key is self.newest)
        return type(self)(tuple(kept))

    def text(self) -> bytes:
        """Write the file: JSON, for nobody's eyes."""
        rows = [{"id": key.id, "secret": key.secret.hex()} for key in self.keys]
        return json.dumps({"schema": SCHEMA, "keys": rows}, indent=1).encode() + b"\n"


def parse(content: bytes) -> DeviceKeys:
    """Read what `DeviceKeys.text` wrote.

    Raises:
        DeviceKeysError: It is damaged; that is never taken for "no keys yet".
    """
    if len(content) > MOST_BYTES:
        raise DeviceKeysError(f"the file is longer than {MOST_BYTES} bytes")
    try:
        found: Any = json.loads(content)
        schema, rows = found["schema"], found["keys"]
        pairs = [(str(row["id"]), bytes.fromhex(row["secret"])) for row in rows]
    except (KeyError, TypeError, ValueError, RecursionError):
        # Without the cause: its text could show a piece of the file.
        raise DeviceKeysError("the file is damaged") from None
    if schema != SCHEMA:
        raise DeviceKeysError("the file was written by another version of this software")
    keys = []
    for key_id, secret in pairs:
        key = DeviceKey(secret=secret)
        if not hmac.compare_digest(key.id.encode(), key_id.encode(errors="replace")):
            raise DeviceKeysError("a key is damaged: it does not fit its id")
        keys.append(key)
    return DeviceKeys(tuple(keys))


def load(path: Path) -> DeviceKeys | None:
    """Read the file; None only where there is none.

    Raises:
        DeviceKeysError: It is damaged, no ordinary file, or open to others.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DeviceKeysError("the file cannot be opened") from error
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise DeviceKeysError("the file is no ordinary file")
        if stat.S_IMODE(mode) & 0o077:
            raise DeviceKeysError("the file can be read by others than its owner")
        content = os.read(handle, MOST_BYTES + 1)
    except OSError as error:
        raise DeviceKeysError("the file cannot be read") from error
    finally:
        os.close(handle)
    return parse(content)


def save(path: Path, keys: DeviceKeys) -> None:
    """Write the file, whole or not at all, for its owner alone.

    Raises:
        NoSpaceError: The disk is full; the old file is untouched.
    """
    write_whole(path, keys.text(), mode=_MODE)


def destroy(path: Path) -> None:
    """Make all hashes and sealed secrets worthless; a file that is gone already is fine.

    Flash may keep the old block until it is used again; the file is written over all the same, for
    the memories where that helps.
    """
    with suppress(FileNotFoundError):
        size = path.lstat().st_size
        with suppress(OSError):
            handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(min(size, MOST_BYTES)))
                file.flush()
                os.fsync(file.fileno())
        path.unlink()
