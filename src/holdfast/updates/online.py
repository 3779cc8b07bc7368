"""The two keys that the hub itself holds: they say "this is the newest", never "this is good"."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from holdfast.core.files import sync_folder, write_whole
from holdfast.updates.errors import KeyFileError
from holdfast.updates.keys import PublicKey, SigningKey, keyid_of, public_of
from holdfast.updates.upstream import CryptoSigner

ROLES = ("snapshot", "timestamp")
KIND = "holdfast-online-keys"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """Snapshot and timestamp key of one hub.

    Attributes:
        snapshot: Signs which lists belong together.
        timestamp: Signs which snapshot is the newest.
    """

    snapshot: SigningKey
    timestamp: SigningKey

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make both keys in a folder that has none; mode 0600, not encrypted: a hub restarts alone.

        Raises:
            KeyFileError: The folder has such keys already.
        """
        if any((folder / f"{role}.pem").exists() for role in ROLES):
            error = KeyFileError(f"{folder} has online keys already.")
            error.hint = "Move the folder away first if the hub is really to get new keys."
            raise error
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Both or none: one key alone would keep the hub from ever starting.
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            rough = Path(name) / folder.name
            rough.mkdir(mode=0o700)
            for role in ROLES:
                pem = Ed25519PrivateKey.generate().private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                )
                write_whole(rough / f"{role}.pem", pem, mode=0o600)
            rough.replace(folder)
            sync_folder(folder.parent)
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read both keys.

        Raises:
            KeyFileError: One is missing, readable by others, or not a key.
        """
        return cls(*(_load(folder / f"{role}.pem", role) for role in ROLES))

    def public_bytes(self) -> bytes:
        """Return both public parts as JSON, for `holdfast keys init --online`."""
        keys = {
            key.public.role: {"keyid": key.public.keyid, "public": key.public.public}
            for key in (self.snapshot, self.timestamp)
        }
        return json.dumps({"kind": KIND, "schema": SCHEMA, "keys": keys}, indent=2).encode() + b"\n"


def read_online(content: bytes) -> tuple[PublicKey, PublicKey]:
    """Read what `OnlineKeys.public_bytes` wrote: snapshot key, timestamp key.

    Raises:
        KeyFileError: It is something else, or names a key by the id of another one.
    """
    try:
        fields = json.loads(content)
        if fields["kind"] != KIND or fields["schema"] != SCHEMA:
            raise ValueError  # noqa: TRY301 - becomes ours three lines below
        keys = [
            PublicKey(role=role, keyid=fields["keys"][role]["keyid"], public=public)
            for role in ROLES
            if len(bytes.fromhex(public := fields["keys"][role]["public"])) == 32  # noqa: PLR2004
        ]
        snapshot, timestamp = keys
        for key in keys:
            # An id of somebody else would put this key in that one's place in the root.
            if keyid_of(bytes.fromhex(key.public)) != key.keyid:
                raise ValueError  # noqa: TRY301 - as above
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        refusal = KeyFileError("This is not the file with the hub's public online keys.")
        refusal.hint = "Fetch it from the hub: GET /api/online-keys, or from the hub's first page."
        raise refusal from error
    return snapshot, timestamp


def _load(path: Path, role: str) -> SigningKey:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            private = load_pem_private_key(file.read(16 * 1024), password=None)
    except OSError as error:
        refusal = KeyFileError(f"The hub's {role} key {path} cannot be read: {error.strerror}.")
        refusal.hint = "Restore it from the backup, or make new ones and rotate them into the root."
        raise refusal from error
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"The hub's {role} key {path} is damaged.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"The hub's {role} key {path} is not an ed25519 key.")
    if mode & 0o077:
        refusal = KeyFileError(f"Others on this computer can read the hub's {role} key {path}.")
        refusal.hint = f"Run `chmod 600 {path}`, and rotate the key if others are here."
        raise refusal
    return SigningKey(public_of(private, role), CryptoSigner(private))
