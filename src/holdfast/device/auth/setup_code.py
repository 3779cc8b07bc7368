"""The one-time code with which the owner claims a device: made in the factory, kept as a hash."""

import hashlib
import os
from collections.abc import Iterator

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
_GROUP = 4
_MARK_DIGITS = 3
# What people read or type in place of a letter that the alphabet leaves out.
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})


def make() -> str:
    """Make a fresh code of 60 random bits, in groups as it is printed: `7K2M-XQ4R-9TBC`.

    Source:
        EN 303 645 5.1-2: not derivable from serial number, address or counter.
    """
    return in_groups("".join(ALPHABET[byte % len(ALPHABET)] for byte in os.urandom(LENGTH)))


def in_groups(code: str) -> str:
    """Write a normalised code as it is printed."""
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def normalised(typed: str) -> str:
    """Forgive capitals, dashes, spaces and the letters that look like others."""
    kept = "".join(mark for mark in typed.upper() if mark.isalnum())
    return kept.translate(_READ_AS)


def readings(text: str) -> Iterator[str]:
    """Give every run in a text that is as long as a code, forwards and backwards."""
    forwards = normalised(text)
    for way in (forwards, forwards[::-1]):
        for at in range(len(way) - LENGTH + 1):
            yield way[at : at + LENGTH]


def mark_of(code: str, setup_hash: str) -> str:
    """Give a mark that tells a normalised code from nearly all other texts, at no cost.

    It shows 12 of its 60 random bits to who can read it; the hash guards the others.
    """
    return hashlib.sha256(f"{setup_hash} {code}".encode()).hexdigest()[:_MARK_DIGITS]


def hashed(code: str) -> str:
    """Hash a code for `factory/setup-code.hash`; what the claim compares with."""
    # Only the factory hashes here; a resident process has it done by a worker.
    from holdfast.accounts.hashing import costs, passwords  # noqa: PLC0415

    return passwords.make(normalised(code), cost=costs.FLOOR, key=None)
