"""Signing keys in encrypted files: made outside the hub, opened with a passphrase only."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.core.files import write_whole
from holdfast.updates.errors import KeyFileError, PassphraseError
from holdfast.updates.plain import open_plain
from holdfast.updates.release import is_product
from holdfast.updates.upstream import CryptoSigner, Key, SSlibKey

SCHEMA = 1
KIND = "holdfast-signing-key"
PASSPHRASE_CHARS = 12
"""The command line takes no shorter passphrase for a new key."""

_FILE_MOST_BYTES = 16 * 1024
_SECRET_MOST_BYTES = 1024
_SALT_BYTES = 16
_NONCE_BYTES = 12
_PUBLIC_BYTES = 32
_KEYS_HELD_OUTSIDE = ("root", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one try of a passphrase costs somebody who stole the file.

    Attributes:
        iterations: Passes over the memory, 1 to 16.
        memory_kib: Memory in KiB, 8 to 1 Mi (a stolen or foreign file must not fill ours).
        lanes: Lanes that run at once, 1 to 16.

    Source:
        RFC 9106, section 4.
    """

    iterations: int
    memory_kib: int
    lanes: int

    def fits(self) -> bool:
        """Tell whether every number is within its bounds."""
        return (
            1 <= self.iterations <= 16  # noqa: PLR2004 - see Attributes
            and 1 <= self.lanes <= 16  # noqa: PLR2004
            and 8 * self.lanes <= self.memory_kib <= 1 << 20
        )


STANDARD_COST = Cost(iterations=3, memory_kib=128 * 1024, lanes=4)
"""Twice the memory of RFC 9106's second recommendation: about a third of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public part of a key, and the role it was made for.

    Attributes:
        role: `root`, `targets`, or the id of a product.
        keyid: Digest by which signatures name the key.
        public: 32 bytes, hexadecimal.
    """

    role: str
    keyid: str
    public: str

    def tuf_key(self) -> Key:
        """Return it as TUF metadata lists it."""
        return SSlibKey(self.keyid, "ed25519", "ed25519", {"public": self.public})


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that has been opened.

    Attributes:
        public: Its public part.
        signer: Signs with it.
    """

    public: PublicKey
    signer: CryptoSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A key file and what it says openly.

    Attributes:
        path: Where it lies.
        public: Role, id and public part.
    """

    path: Path
    public: PublicKey


def public_of(private: Ed25519PrivateKey, role: str) -> PublicKey:
    """Describe the public part of a private key."""
    public = private.public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    keyid = SSlibKey.from_crypto(public).keyid
    return PublicKey(role=role, keyid=keyid, public=raw.hex())


def make(folder: Path, *, role: str, passphrase: str, cost: Cost = STANDARD_COST) -> KeyFile:
    """Make a key and write it, sealed, into a folder; see `make_open`."""
    return make_open(folder, role=role, passphrase=passphrase, cost=cost)[0]


def make_open(
    folder: Path, *, role: str, passphrase: str, cost: Cost = STANDARD_COST
) -> tuple[KeyFile, SigningKey]:
    """Make a key and write it, sealed, into a folder, mode 0600; return it open as well.

    Raises:
        KeyFileError: The role makes no sense, the passphrase is empty, or the cost unfit.
        NoSpaceError: The disk is full; nothing was written.
    """
    if role not in _KEYS_HELD_OUTSIDE and not is_product(role):
        raise KeyFileError(f"{role[:40]!r} is neither root, targets, nor the id of a product.")
    if not passphrase:
        raise KeyFileError("The passphrase is empty.")
    private = Ed25519PrivateKey.generate()
    public = public_of(private, role)
    content = _seal(private.private_bytes_raw(), public, passphrase, cost)
    path = folder / f"{role}-{public.keyid[:12]}.key.json"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, content, mode=0o600)
    return KeyFile(path=path, public=public), SigningKey(public, CryptoSigner(private))


def read_public(path: Path) -> PublicKey:
    """Read what a key file says openly; needs no passphrase, proves nothing.

    Raises:
        KeyFileError: Unreadable, of a foreign kind, or damaged.
    """
    return _public(path, _parse(path))


def load(path: Path, passphrase: str, *, role: str | None = None) -> SigningKey:
    """Open a key file.

    Args:
        path: The file.
        passphrase: What it was sealed with.
        role: The role that the key must have been made for, if it matters.

    Raises:
        KeyFileError: Unreadable, of a foreign kind, damaged, or of another role.
        PassphraseError: The passphrase is wrong, or the sealed part was altered.
    """
    fields = _parse(path)
    public = _public(path, fields)
    if role is not None and public.role != role:
        raise KeyFileError(
            f"{path} is a key of the role {public.role}, but a key of {role} is needed."
        )
    try:
        kdf, cipher = fields["kdf"], fields["cipher"]
        if kdf["name"] != "argon2id" or cipher["name"] != "aes-256-gcm":
            raise _damaged(path, "it names ciphers that this program does not know")
        cost = Cost(
            iterations=_whole(kdf["iterations"]),
            memory_kib=_whole(kdf["memory_kib"]),
            lanes=_whole(kdf["lanes"]),
        )
        salt, nonce = bytes.fromhex(kdf["salt"]), bytes.fromhex(cipher["nonce"])
        sealed = bytes.fromhex(fields["sealed"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, "a part is missing or of a wrong kind") from error
    if not cost.fits() or len(salt) != _SALT_BYTES or len(nonce) != _NONCE_BYTES:
        raise _damaged(path, "its numbers are out of bounds")
    try:
        raw = AESGCM(_derive(passphrase, salt, cost)).decrypt(nonce, sealed, _bound(public))
        private = Ed25519PrivateKey.from_private_bytes(raw)
    except InvalidTag as error:
        raise PassphraseError(f"The passphrase does not open {path}.") from error
    except ValueError as error:
        raise _damaged(path, "what is sealed is not a key") from error
    if public_of(private, public.role) != public:
        raise _damaged(path, "its private and public parts do not belong together")
    return SigningKey(public, CryptoSigner(private))


def read_secret(path: Path, *, what: str = "passphrase") -> str:
    """Read one line from a file that nobody else may read.

    Args:
        path: The file.
        what: What it holds, for messages.

    Raises:
        KeyFileError: Unreadable, readable by others, no plain file, empty, or too long.
    """
    try:
        with open_plain(path, follow=True) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_SECRET_MOST_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"The {what} file {path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        refusal = KeyFileError(f"Others on this computer can read the {what} file {path}.")
        refusal.hint = f"Run `chmod 600 {path}`, and choose another {what} if others are here."
        raise refusal
    try:
        secret = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise KeyFileError(f"The {what} file {path} is not UTF-8 text.") from error
    if not secret or len(content) > _SECRET_MOST_BYTES or "\n" in secret:
        raise KeyFileError(f"The {what} file {path} must hold one line with the {what}.")
    return secret


def _parse(path: Path) -> dict[str, Any]:
    try:
        with open_plain(path, follow=True) as file:
            content = file.read(_FILE_MOST_BYTES + 1)
    except OSError as error:
        refusal = KeyFileError(f"The key file {path} cannot be read: {error.strerror}.")
        refusal.hint = "Check the path, and that the file belongs to you."
        raise refusal from error
    try:
        fields = json.loads(content) if len(content) <= _FILE_MOST_BYTES else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("kind") != KIND:
        refusal = KeyFileError(f"{path} is not a key file of Holdfast.")
        refusal.hint = "Key files end in .key.json and are made by `holdfast keys make`."
        raise refusal
    if fields.get("schema") != SCHEMA:
        refusal = KeyFileError(f"{path} was written by a newer version of Holdfast.")
        refusal.hint = "Use the version of Holdfast that made the key, or a newer one."
        raise refusal
    return fields


def _public(path: Path, fields: dict[str, Any]) -> PublicKey:
    role, keyid, public = fields.get("role"), fields.get("keyid"), fields.get("public")
    if not isinstance(role, str) or not isinstance(keyid, str) or not isinstance(public, str):
        raise _damaged(path, "role, id or public part are missing")
    try:
        raw = bytes.fromhex(public)
    except ValueError:
        raw = b""
    if role not in _KEYS_HELD_OUTSIDE and not is_product(role):
        raise _damaged(path, "its role makes no sense")
    if len(raw) != _PUBLIC_BYTES or keyid_of(raw) != keyid:
        raise _damaged(path, "its id does not belong to its public part")
    return PublicKey(role=role, keyid=keyid, public=raw.hex())


def keyid_of(public: bytes) -> str:
    """Return the id by which signatures name the key with these 32 bytes."""
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(public)).keyid


def _seal(raw: bytes, public: PublicKey, passphrase: str, cost: Cost) -> bytes:
    if not cost.fits():
        raise KeyFileError("The cost of the passphrase is out of bounds.")
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_derive(passphrase, salt, cost)).encrypt(nonce, raw, _bound(public))
    fields = {
        "kind": KIND,
        "schema": SCHEMA,
        "role": public.role,
        "keyid": public.keyid,
        "public": public.public,
        "kdf": {
            "name": "argon2id",
            "salt": salt.hex(),
            "iterations": cost.iterations,
            "memory_kib": cost.memory_kib,
            "lanes": cost.lanes,
        },
        "cipher": {"name": "aes-256-gcm", "nonce": nonce.hex()},
        "sealed": sealed.hex(),
    }
    return json.dumps(fields, indent=2).encode() + b"\n"


def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    kdf = Argon2id(
        salt=salt,
        length=32,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return kdf.derive(passphrase.encode())


def _bound(public: PublicKey) -> bytes:
    """What nobody can exchange without the passphrase: role, id and public part."""
    return json.dumps([KIND, SCHEMA, public.role, public.keyid, public.public]).encode()


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _damaged(path: Path, how: str) -> KeyFileError:
    error = KeyFileError(f"The key file {path} is damaged: {how}.")
    error.hint = "Restore the file from your backup."
    return error
