"""Whose a block list is. Loads `cryptography`; a resident process asks `child` instead."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.accounts.blocklist import builtin, layout
from holdfast.accounts.blocklist.layout import HEADER_BYTES, KEY_BYTES, SEALED_BYTES, Header
from holdfast.accounts.blocklist.reader import BlockList, Lists
from holdfast.accounts.errors import BlockListError

_SIGNED_AS = b"holdfast block list 1\n"
"""In front of what is signed, so that a signature means nothing else."""


def to_be_signed(content: bytes) -> bytes:
    """Give what the maker of a list signs, with Ed25519."""
    return _SIGNED_AS + content[:SEALED_BYTES]


def with_signature(content: bytes, *, key: bytes, signature: bytes) -> bytes:
    """Put public key and signature into a built list.

    Raises:
        BlockListError: The signature is not one of this key over this list.
    """
    if len(key) != KEY_BYTES or not _holds(key, signature, to_be_signed(content)):
        raise BlockListError("just built", "its signature does not hold")
    return content[:SEALED_BYTES] + key + signature + content[HEADER_BYTES:]


def seal_of_signed(path: Path, keys: Iterable[str]) -> str:
    """Find out whether somebody who may vouches for a file, and give the seal to open it with.

    Args:
        path: The file.
        keys: Public keys whose lists are believed, 64 hexadecimal digits each, as the settings
            name them. Lists that Holdfast itself publishes are known without.

    Raises:
        BlockListError: Nobody vouches for it, or it is no block list.
    """
    head = _head(path)
    sealed, key = head[:SEALED_BYTES], head[SEALED_BYTES : SEALED_BYTES + KEY_BYTES]
    layout.unpacked(sealed, path)
    seal = layout.seal_of(sealed)
    if seal in builtin.PUBLISHED:
        return seal
    if not any(key):
        raise BlockListError(path, "nobody has signed it")
    if key.hex() not in {each.lower() for each in keys}:
        raise BlockListError(path, f"the settings do not name the key that signed it, {key.hex()}")
    if not _holds(key, head[SEALED_BYTES + KEY_BYTES :], _SIGNED_AS + sealed):
        raise BlockListError(path, "its signature does not hold")
    return seal


def signer_of(path: Path) -> str:
    """Say which key claims to have signed a file, proving nothing; empty if none does.

    Raises:
        BlockListError: It is no block list.
    """
    key = _head(path)[SEALED_BYTES : SEALED_BYTES + KEY_BYTES]
    return key.hex() if any(key) else ""


def header_of(path: Path) -> Header:
    """Read what a file says of itself, proving nothing.

    Raises:
        BlockListError: It is no block list.
    """
    return layout.unpacked(_head(path)[:SEALED_BYTES], path)


def opened(paths: Iterable[Path], keys: Iterable[str]) -> Lists:
    """Open the list that comes with Holdfast and those of the operator, each checked.

    Raises:
        BlockListError: One of them cannot be used; then none is, and no password can be set.
    """
    known = [*keys]
    return Lists(
        builtin.block_list(),
        *(BlockList(path, seal=seal_of_signed(path, known)) for path in paths),
    )


def _head(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BlockListError(path, "it is not a plain file")
            head = file.read(HEADER_BYTES)
    except OSError as error:
        raise BlockListError(path, error.strerror or "it cannot be read") from error
    except ValueError as error:  # a NUL in the path
        raise BlockListError(repr(path), "there can be no such file") from error
    if len(head) < HEADER_BYTES:
        raise BlockListError(path, "it is too short to be one")
    return head


def _holds(key: bytes, signature: bytes, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
