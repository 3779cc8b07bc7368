"""Make and check stored hashes of passwords. Nothing here reads a file, a clock or a setting.

It loads Argon2 and libcrypto: on the device only a short-lived child imports it.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argon2.exceptions import HashingError as LibraryError
from argon2.low_level import Type, hash_secret_raw

from holdfast.accounts.errors import (
    ExpiredHashError,
    HashingError,
    LegacyHashError,
    SecretError,
    StoredHashError,
    UnknownKeyError,
)
from holdfast.accounts.hashing import legacy
from holdfast.accounts.hashing.costs import LANES, Cost
from holdfast.accounts.hashing.device_keys import DeviceKey, DeviceKeys, Randomness
from holdfast.accounts.hashing.stored import HASH_BYTES, SALT_BYTES, Old, Stored, parse
from holdfast.accounts.normal import normalised

MOST_CHARACTERS: Final = 256
_DIRECT: Final = "stored hash"
_WRAPPED: Final = "wrapped hash"
_NAME: Final = "name without account"
# Hashed instead of what cannot be hashed, only to take as long.
_UNUSABLE: Final = "-"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking a password found.

    Attributes:
        matches: Whether it is the one that was hashed.
        rehash: Whether it should be hashed anew now that it is known: another cost, an older
            key, or an older product's scheme. Never without a match.
        taken_over: Whether it was never typed here before, so that nobody has checked it by the
            rules for passwords yet. Never without a match.
    """

    matches: bool
    rehash: bool = False
    taken_over: bool = False


def make(
    secret: str, *, cost: Cost, key: DeviceKey | None, randomness: Randomness = os.urandom
) -> str:
    """Hash a password with a fresh salt.

    Args:
        secret: As typed; brought into the form NFKC, nothing is trimmed or folded.
        cost: From `calibrate`.
        key: The newest of the device; None only for what the factory hashes before there is
            one (the set-up code).
        randomness: Gives random bytes.

    Raises:
        SecretError: It is empty, longer than 256 characters, or no text.
        HashingError: There is not enough memory.

    Source:
        NIST SP 800-63B-4 3.1.1.2: NFKC, and a keyed hash with a key that is kept elsewhere.
    """
    salt = randomness(SALT_BYTES)
    content = _keyed(_form(secret), key, _DIRECT)
    stored = Stored(
        cost=cost,
        key_id=key.id if key is not None else "",
        salt=salt,
        hash=_argon2id(content, salt, cost),
    )
    return stored.text()


def verify(
    stored: str, secret: str, *, keys: DeviceKeys | None, cost: Cost, now: datetime
) -> Verdict:
    """Check a password; takes as long whether or not it is right, or can be one at all.

    Args:
        stored: What `make` or `wrap` gave.
        secret: As typed: an older product did not normalise it.
        keys: Of the device.
        cost: What a new hash would cost.
        now: For the deadline of wrapped hashes; aware.

    Raises:
        StoredHashError: It is no stored hash, or is beyond the bounds.
        UnknownKeyError: It was made with a key that is not here.
        ExpiredHashError: The password is right, but the deadline of a wrapped hash is over. Who
            does not know the password is told "wrong" as ever.
        HashingError: There is not enough memory.
    """
    kept = parse(stored)
    key = _key_of(kept, keys)
    try:
        typed, usable = _form(secret), True
    except SecretError:
        secret = typed = _UNUSABLE
        usable = False
    if kept.old is None:
        content = _keyed(typed, key, _DIRECT)
    else:
        content = _wrapped(kept.old, _compute(kept.old, secret), key)
    found = _argon2id(content, kept.salt, kept.cost)
    if not (hmac.compare_digest(found, kept.hash) and usable):
        return Verdict(matches=False)
    if kept.until is not None and now >= kept.until:
        raise ExpiredHashError
    due = _is_due(kept, keys, cost)
    return Verdict(matches=True, rehash=due, taken_over=kept.old is not None)


def is_due(stored: str, *, keys: DeviceKeys | None, cost: Cost) -> bool:
    """Tell whether a stored hash should be made anew at the next right password.

    Raises:
        StoredHashError: It is no stored hash.
    """
    return _is_due(parse(stored), keys, cost)


def wrap(
    legacy_hash: str,
    *,
    cost: Cost,
    key: DeviceKey,
    deadline: datetime,
    randomness: Randomness = os.urandom,
) -> str:
    """Put Argon2id and the device key over an older product's hash, which is then forgotten.

    Args:
        legacy_hash: As the older product stored it.
        cost: From `calibrate`.
        key: The newest of the device.
        deadline: Moment after which the password must have been typed once, aware; from then on
            it opens nothing.
        randomness: Gives random bytes.

    Raises:
        LegacyHashError: It may not be taken over, with the reason.
        HashingError: There is not enough memory.
    """
    if deadline.tzinfo is None or deadline.timestamp() < 0:
        raise ValueError("a deadline knows its time zone, and lies after 1970")
    found = legacy.parse(legacy_hash)
    salt = randomness(SALT_BYTES)
    stored = Stored(
        cost=cost,
        key_id=key.id,
        salt=salt,
        hash=_argon2id(_wrapped(found.old, found.digest, key), salt, cost),
        old=found.old,
        until=deadline,
    )
    return stored.text()


def make_decoy(*, cost: Cost, key: DeviceKey | None, randomness: Randomness = os.urandom) -> str:
    """Hash a secret that nobody knows, to check the passwords of unknown names against."""
    return make(randomness(SALT_BYTES).hex(), cost=cost, key=key, randomness=randomness)


def choose_decoy(name: str, among: Sequence[str], *, key: DeviceKey) -> str:
    """Choose the stored hash that stands in for an unknown name, always the same for one name.

    The stored hashes of real accounts are the best decoys: some may be wrapped or of an older
    cost, and take their own time. What checking one says is thrown away.

    Args:
        name: As it is looked up.
        among: Stored hashes of all accounts; at least one.
        key: Makes the choice one that nobody can foresee.
    """
    digest = hmac.digest(
        key.derived(_NAME), name.encode("utf-8", "surrogatepass"), hashlib.sha256
    )  # fmt: skip
    return among[int.from_bytes(digest) % len(among)]


def _form(secret: str) -> str:
    """Give the one form in which a password is hashed.

    Raises:
        SecretError: It cannot be hashed.
    """
    if not secret:
        raise SecretError("it is empty")
    if len(secret) > MOST_CHARACTERS:
        raise SecretError(f"it is longer than {MOST_CHARACTERS} characters")
    try:
        secret.encode()
    except UnicodeEncodeError:
        raise SecretError("it is no text") from None  # the cause shows a piece of it
    return normalised(secret)


def _key_of(kept: Stored, keys: DeviceKeys | None) -> DeviceKey | None:
    if not kept.key_id:
        return None
    if keys is None:
        raise UnknownKeyError(kept.key_id)
    return keys.of(kept.key_id)


def _keyed(form: str, key: DeviceKey | None, purpose: str) -> bytes:
    content = form.encode()
    if key is None:
        return content
    return hmac.digest(key.derived(purpose), content, hashlib.sha256)


def _wrapped(old: Old, digest: str, key: DeviceKey | None) -> bytes:
    """Mix the device key into an older hash, with all that it was computed with."""
    return _keyed(f"{old.scheme}${old.rounds}${old.salt.hex()}${digest}", key, _WRAPPED)


def _compute(old: Old, secret: str) -> str:
    try:
        return legacy.compute(old, secret.encode())
    except LegacyHashError as error:
        raise StoredHashError(error.reason) from error


def _is_due(kept: Stored, keys: DeviceKeys | None, cost: Cost) -> bool:
    newest = keys.newest.id if keys is not None else ""
    return kept.old is not None or kept.key_id != newest or kept.cost != cost


def _argon2id(content: bytes, salt: bytes, cost: Cost) -> bytes:
    try:
        return hash_secret_raw(
            secret=content,
            salt=salt,
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=LANES,
            hash_len=HASH_BYTES,
            type=Type.ID,
        )
    except (LibraryError, MemoryError) as error:
        raise HashingError(f"{cost.memory_kib} KiB of memory could not be had") from error
