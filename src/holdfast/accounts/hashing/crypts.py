"""MD5-crypt and SHA-crypt, which nobody makes any more but older products left behind.

Python's own `crypt` leaves with 3.13, and the libraries of small systems (musl, uClibc, or none)
do not all know them; all they need is a hash function and one loop.
"""

import hashlib
from collections.abc import Callable
from typing import Final

_LETTERS: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTER_BITS: Final = 6
# Which part stands where repeats after 2 * 3 * 7 rounds.
_CYCLE: Final = 42
_MD5_ROUNDS: Final = 1000
_MD5_ORDER: Final = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5), (11,))
Digest = Callable[[bytes], bytes]


def md5crypt(password: bytes, salt: bytes, *, prefix: bytes = b"$1$") -> str:
    """Compute the last part of an MD5-crypt hash: 22 letters.

    Args:
        password: As typed.
        salt: Up to eight bytes.
        prefix: `$1$`, or `$apr1$` for the form of the Apache web server.

    Source:
        Poul-Henning Kamp, FreeBSD 2.0, 1994.
    """

    def digest(content: bytes) -> bytes:
        return hashlib.new("md5", content, usedforsecurity=False).digest()

    mixed = password + prefix + salt
    mixed += _to_length(digest(password + salt + password), len(password))
    length = len(password)
    while length:
        mixed += b"\0" if length & 1 else password[:1]
        length >>= 1
    result = _stretched(digest(mixed), password, salt, rounds=_MD5_ROUNDS, digest=digest)
    return "".join(_lettered(result, places) for places in _MD5_ORDER)


def shacrypt(password: bytes, salt: bytes, *, bits: int, rounds: int) -> str:
    """Compute the last part of a SHA-crypt hash: 43 letters for 256 bits, 86 for 512.

    Args:
        password: As typed.
        salt: Up to 16 bytes.
        bits: 256 or 512.
        rounds: 1000 or more; time grows with it.

    Source:
        Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6.
    """
    chosen = {256: hashlib.sha256, 512: hashlib.sha512}[bits]

    def digest(content: bytes) -> bytes:
        return chosen(content).digest()

    other = digest(password + salt + password)
    mixed = password + salt + _to_length(other, len(password))
    length = len(password)
    while length:
        mixed += other if length & 1 else password
        length >>= 1
    result = digest(mixed)
    long_password = _to_length(digest(password * len(password)), len(password))
    long_salt = _to_length(digest(salt * (16 + result[0])), len(salt))
    result = _stretched(result, long_password, long_salt, rounds=rounds, digest=digest)
    return "".join(_lettered(result, places) for places in _sha_order(len(result)))


def _to_length(content: bytes, length: int) -> bytes:
    return (content * (length // len(content) + 1))[:length]


def _stretched(
    result: bytes, password: bytes, salt: bytes, *, rounds: int, digest: Digest
) -> bytes:
    """Hash the result again and again with password and salt before or behind it."""
    parts = []
    for number in range(_CYCLE):
        middle = (salt if number % 3 else b"") + (password if number % 7 else b"")
        parts.append(password + middle if number & 1 else middle + password)
    for number in range(rounds):
        part = parts[number % _CYCLE]
        result = digest(part + result if number & 1 else result + part)
    return result


def _sha_order(size: int) -> list[tuple[int, ...]]:
    """Tell which bytes make four letters together."""
    third = size // 3
    order: list[tuple[int, ...]] = []
    place = (0, third, 2 * third)
    for _ in range(third):
        order.append(place)
        first, second, last = (number + 1 for number in place)
        place = (second, last, first) if size == hashlib.sha512().digest_size else (
            last, first, second
        )  # fmt: skip
    return [*order, tuple(reversed(range(3 * third, size)))]


def _lettered(digest: bytes, places: tuple[int, ...]) -> str:
    number = int.from_bytes(bytes(digest[place] for place in places))
    letters = -(-8 * len(places) // _LETTER_BITS)
    return "".join(_LETTERS[number >> _LETTER_BITS * place & 63] for place in range(letters))
