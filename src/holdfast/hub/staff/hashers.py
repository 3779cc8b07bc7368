"""How staff passwords are hashed: as on the device, by `holdfast.accounts.hashing`."""

import unicodedata
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, BasePasswordHasher
from django_stubs_ext import StrOrPromise

from holdfast.accounts.errors import DeviceKeysError, UnknownKeyError
from holdfast.accounts.hashing import device_keys, passwords
from holdfast.accounts.hashing.costs import FLOOR, Cost
from holdfast.accounts.hashing.device_keys import DeviceKeys
from holdfast.accounts.hashing.slots import Slots
from holdfast.core.clock import now

COST: Cost = FLOOR
"""OWASP's first choice for a server; each hash takes 19 MiB and a tenth of a second."""

ALGORITHM: Final = "holdfast"
KEYS_GONE = (
    "Put the file account-keys back into the state folder, from a backup of this same hub. Without "
    "one: `holdfast hub init --new-account-keys`, and everybody needs a new password."
)


@cache
def slots() -> Slots:
    """Give the places for hashing of this process."""
    return Slots(settings.HUB.accounts.hashing_slots)


def keys() -> DeviceKeys:
    """Read the keys of this hub's accounts.

    Raises:
        DeviceKeysError: They are gone or damaged.
    """
    try:
        found = device_keys.load(settings.HUB.account_keys)
    except DeviceKeysError as error:
        error.hint = KEYS_GONE
        raise
    if found is None:
        missing = DeviceKeysError(f"the file {settings.HUB.account_keys.name} is gone")
        missing.hint = KEYS_GONE
        raise missing
    return found


def are_keys_needed() -> bool:
    """Tell whether something is stored that only the keys of before open."""
    from allauth.mfa.models import Authenticator  # noqa: PLC0415 - this is loaded before models

    from holdfast.hub.staff.models import Account  # noqa: PLC0415 - as above

    keyed = Account.objects.filter(password__startswith=f"{ALGORITHM}$")
    sealed = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN)
    return keyed.exists() or sealed.exists()


class KeyedHasher(BasePasswordHasher):
    """Argon2id over what the hub's own key makes of a password, under Django's interface.

    Django wants the name of the hasher before the first `$`; what stands behind is what
    `holdfast.accounts.hashing` writes, hashes that were taken over from elsewhere included.
    """

    algorithm = ALGORITHM

    def encode(self, password: str, salt: str = "") -> str:
        """Hash a password; the salt is chosen by whoever hashes, never by the caller."""
        del salt
        with slots().taken():
            made = passwords.make(password, cost=COST, key=keys().newest)
        return ALGORITHM + made

    def verify(self, password: str, encoded: str) -> bool:
        """Check a password.

        Raises:
            ExpiredHashError: It is right, and was taken over too long ago.
        """
        stored = encoded.removeprefix(ALGORITHM)
        with slots().taken():
            try:
                found = passwords.verify(stored, password, keys=keys(), cost=COST, now=now())
            except UnknownKeyError as error:
                error.hint = KEYS_GONE
                raise
        return found.matches

    def must_update(self, encoded: str) -> bool:
        """Tell whether cost, key or scheme are not those of a new hash."""
        return passwords.is_due(encoded.removeprefix(ALGORITHM), keys=keys(), cost=COST)

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: the cost of unlike hashes is not made up for with more memory."""

    def safe_summary(self, encoded: str) -> dict[StrOrPromise, Any]:
        """Tell nothing but the scheme."""
        del encoded
        return {"algorithm": self.algorithm}


class Argon2idHasher(Argon2PasswordHasher):
    """What this hub hashed with before it had a key: Argon2id over the form NFC.

    It only reads. Who logs in with it gets a hash of the `KeyedHasher`.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def verify(self, password: str, encoded: str) -> bool:
        """Check a password in the form in which it was hashed then."""
        with slots().taken():
            return super().verify(unicodedata.normalize("NFC", password), encoded)
