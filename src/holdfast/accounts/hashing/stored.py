"""The text that is kept instead of a password, and what may stand in it.

$holdfast-argon2id$v=1$m=19456,t=2,p=1,k=KEYID$SALT$HASH            Argon2id of the keyed password
$holdfast-wrapped$v=1$m=19456,t=2,p=1,k=KEYID,s=sha512crypt,r=5000,o=OLDSALT,u=SECONDS$SALT$HASH
                                                                   Argon2id of a keyed older hash
$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH                            without key: the set-up code

Source:
    P-H-C string format; base64 without padding as there.
"""

import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from holdfast.accounts.errors import CostError, StoredHashError
from holdfast.accounts.hashing.costs import LANES, Cost

LONGEST: Final = 512
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
_SALT: Final = r"(?P<salt>[A-Za-z0-9+/]{22})"
_HASH: Final = r"(?P<hash>[A-Za-z0-9+/]{43})"
_COST: Final = rf"m=(?P<memory>[1-9][0-9]{{0,9}}),t=(?P<passes>[1-9][0-9]{{0,9}}),p={LANES}"
_KEY: Final = r"k=(?P<key>[0-9a-f]{8})"
_DIRECT: Final = re.compile(rf"\$holdfast-argon2id\$v=1\${_COST},{_KEY}\${_SALT}\${_HASH}")
_WRAPPED: Final = re.compile(
    rf"\$holdfast-wrapped\$v=1\${_COST},{_KEY},s=(?P<scheme>[a-z0-9-]{{1,20}}),"
    r"r=(?P<rounds>0|[1-9][0-9]{0,9}),o=(?P<old>[A-Za-z0-9+/]{0,88}),"
    rf"u=(?P<until>0|[1-9][0-9]{{0,11}})\${_SALT}\${_HASH}"
)
# Django writes the name of its hasher before it.
_KEYLESS: Final = re.compile(rf"(?:argon2)?\$argon2id\$v=19\${_COST}\${_SALT}\${_HASH}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """What an older hash is computed with.

    Attributes:
        scheme: One of `legacy.SCHEMES`.
        rounds: How often; 0 where the scheme has no such number.
        salt: As the older software used it.
    """

    scheme: str
    rounds: int
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored hash, taken apart.

    Attributes:
        cost: Within the bounds of `Cost`.
        key_id: Of the device key; "" where none was mixed in.
        salt: 16 bytes.
        hash: 32 bytes.
        old: What stands between the password and Argon2id; None for nothing.
        until: Moment after which a wrapped hash opens nothing; None for for ever.
    """

    cost: Cost
    key_id: str
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)
    old: Old | None = None
    until: datetime | None = None

    def text(self) -> str:
        """Write it as it is kept."""
        cost = f"m={self.cost.memory_kib},t={self.cost.passes},p={LANES}"
        tail = f"${_encoded(self.salt)}${_encoded(self.hash)}"
        if not self.key_id:
            return f"$argon2id$v=19${cost}{tail}"
        if self.old is None or self.until is None:
            return f"$holdfast-argon2id$v=1${cost},k={self.key_id}{tail}"
        old = f"s={self.old.scheme},r={self.old.rounds},o={_encoded(self.old.salt)}"
        until = int(self.until.timestamp())
        return f"$holdfast-wrapped$v=1${cost},k={self.key_id},{old},u={until}{tail}"


def parse(text: str) -> Stored:
    """Take a stored hash apart; nothing is computed yet, so hostile numbers cost nothing.

    Raises:
        StoredHashError: It is none, is damaged, or would take more memory or time than allowed.
    """
    if len(text) > LONGEST:
        raise StoredHashError(f"it is longer than {LONGEST} characters")
    found = _DIRECT.fullmatch(text) or _WRAPPED.fullmatch(text) or _KEYLESS.fullmatch(text)
    if found is None:
        raise StoredHashError("it has none of the forms that this software writes")
    part = found.groupdict()
    try:
        cost = Cost(memory_kib=int(part["memory"]), passes=int(part["passes"]))
    except CostError as error:
        raise StoredHashError(str(error)) from error
    old = until = None
    if "scheme" in part:
        old = Old(
            scheme=part["scheme"], rounds=int(part["rounds"]), salt=_decoded(part["old"])
        )  # fmt: skip
        try:
            until = datetime.fromtimestamp(int(part["until"]), UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise StoredHashError("its deadline is no moment") from error
    return Stored(
        cost=cost,
        key_id=part.get("key", ""),
        salt=_decoded(part["salt"]),
        hash=_decoded(part["hash"]),
        old=old,
        until=until,
    )


def _encoded(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Decode base64 in its one canonical form, so that two texts are never the same hash."""
    try:
        content = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error as error:
        raise StoredHashError("its base64 is damaged") from error
    if _encoded(content) != text:
        raise StoredHashError("its base64 is damaged")
    return content
