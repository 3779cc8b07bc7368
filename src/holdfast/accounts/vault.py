"""Secrets that must be given back as they were: bind passwords, shared secrets, client keys, seeds.

Each is sealed under its own name with the device key, so none can be put in the place of another.
The library is loaded when something is sealed or opened, and not before.

Source:
    RFC 8439 (ChaCha20-Poly1305).
"""

import binascii
import os
import re
from typing import TYPE_CHECKING, Final

from holdfast.accounts.errors import VaultError

if TYPE_CHECKING:
    from holdfast.accounts.hashing.device_keys import DeviceKey, DeviceKeys, Randomness

LONGEST_SECRET: Final = 16_384
"""Bytes; a chain of certificates with its key fits."""
LONGEST_NAME: Final = 128
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LONGEST_BODY: Final = 4 * (LONGEST_SECRET + _NONCE_BYTES + _TAG_BYTES) // 3 + 4
_SEALED: Final = re.compile(
    rf"\$holdfast-sealed\$v=1\$k=([0-9a-f]{{8}})\$([A-Za-z0-9+/]{{1,{_LONGEST_BODY}}}={{0,2}})"
)
_PURPOSE: Final = "vault"
_DAMAGED: Final = "it is damaged, or was sealed under another name"


def seal(
    name: str, secret: bytes, key: "DeviceKey", *, randomness: "Randomness" = os.urandom
) -> str:
    """Seal a secret under a name.

    Args:
        name: What it is, such as `ldap.bind_password`; it opens under this name only.
        secret: Up to 16384 bytes.
        key: The newest of the device.
        randomness: Gives random bytes.

    Raises:
        VaultError: Name or secret is too long, or the name no text.
    """
    if len(secret) > LONGEST_SECRET:
        raise VaultError(f"it is longer than {LONGEST_SECRET} bytes")
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - see above
        ChaCha20Poly1305,
    )

    nonce = randomness(_NONCE_BYTES)
    body = ChaCha20Poly1305(key.derived(_PURPOSE)).encrypt(nonce, secret, _bound(name, key.id))
    encoded = binascii.b2a_base64(nonce + body, newline=False).decode()
    return f"$holdfast-sealed$v=1$k={key.id}${encoded}"


def unseal(name: str, sealed: str, keys: "DeviceKeys") -> bytes:
    """Open what `seal` gave for this name.

    Raises:
        VaultError: It is damaged, none, or of another name.
        UnknownKeyError: It was sealed with a key that is not here.
    """
    key_id, content = _taken_apart(sealed)
    key = keys.of(key_id)
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    cipher = ChaCha20Poly1305(key.derived(_PURPOSE))
    try:
        return cipher.decrypt(
            content[:_NONCE_BYTES], content[_NONCE_BYTES:], _bound(name, key_id)
        )  # fmt: skip
    except InvalidTag:
        raise VaultError(_DAMAGED) from None


def key_id_of(sealed: str) -> str:
    """Tell which key a sealed secret needs.

    Raises:
        VaultError: It is damaged, or none.
    """
    return _taken_apart(sealed)[0]


def _taken_apart(sealed: str) -> tuple[str, bytes]:
    found = _SEALED.fullmatch(sealed)
    if found is None:
        raise VaultError("it has not the form that this software writes")
    try:
        content = binascii.a2b_base64(found[2], strict_mode=True)
    except binascii.Error as error:
        raise VaultError(_DAMAGED) from error
    if len(content) < _NONCE_BYTES + _TAG_BYTES:
        raise VaultError(_DAMAGED)
    return found[1], content


def _bound(name: str, key_id: str) -> bytes:
    """Give what is authenticated along with the secret."""
    if not 0 < len(name) <= LONGEST_NAME:
        raise VaultError(f"its name has not 1 to {LONGEST_NAME} characters")
    try:
        return b"holdfast sealed secret\0" + key_id.encode() + b"\0" + name.encode()
    except UnicodeEncodeError as error:
        raise VaultError("its name is no text") from error
