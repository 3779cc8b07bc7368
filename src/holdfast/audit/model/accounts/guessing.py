"""Tries the few passwords that everybody tries, within bounds that do not depend on luck."""

import base64
import binascii
import ctypes
import ctypes.util
import hashlib
import lzma
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Final

from holdfast.accounts.hashing.crypts import md5crypt
from holdfast.accounts.policy.defaults import credentials
from holdfast.audit.model.accounts.hashes import Kept
from holdfast.audit.model.shapes import Password

SECONDS: Final = 2.0
"""Of all accounts of an image together; hit only on a very slow machine."""
TRIES: Final = {
    "des": 4000, "md5crypt": 2500, "sha256crypt": 250, "sha512crypt": 250, "bcrypt": 8,
    "yescrypt": 15, "scrypt": 8, "md5": 10_000, "sha1": 10_000, "sha256": 10_000, "sha512": 10_000,
    "plain": 10_000,
}  # fmt: skip
"""How many words are tried on a hash of a scheme, so that the answer is the same everywhere."""
OWN_TRIES: Final = 500
LEAST: Final = 5
_MOST_ROUNDS: Final = {"sha256crypt": 20_000, "sha512crypt": 20_000, "bcrypt": 11}
_SAFE_COSTS: Final = ("$y$j75$", "$y$j8T$", "$y$j9T$", "$7$C6..../....", "$7$A6..../....",
                      "$7$B6..../....")  # fmt: skip
_CRYPT_DATA: Final = 256 * 1024  # more than struct crypt_data of any library
Matches = Callable[[str], bool]


class Guesser:
    """Tries words on the hashes of one image.

    Attributes:
        left: Seconds left for all of them.
    """

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self.left = seconds
        self._clock = clock
        self._known: dict[tuple[str, str], str] = {}

    def guess(self, name: str, kept: Kept) -> str:
        """Tell which list knows a password.

        Returns:
            `empty`, `name`, `default`, `common`; "" if it held, `untried` if it could not be
            tried.
        """
        if kept.password not in {Password.HASHED, Password.PLAIN} or not kept.secret:
            return ""
        key = (name, kept.secret)
        if key not in self._known:
            started = self._clock()
            self._known[key] = self._try(name, kept)
            self.left -= self._clock() - started
        return self._known[key]

    def _try(self, name: str, kept: Kept) -> str:
        matches = _matcher(kept)
        if matches is None:
            return "untried"
        until = self._clock() + self.left
        for number, (word, which) in enumerate(islice(candidates(name), _tries(kept))):
            if self._clock() > until:
                return "" if number >= LEAST else "untried"
            if matches(word):
                return which
        return ""


def _tries(kept: Kept) -> int:
    own = kept.secret.startswith("$apr1$")  # no library knows it, and Python takes its time
    return OWN_TRIES if own else TRIES.get(kept.scheme, LEAST)


def candidates(name: str) -> Iterator[tuple[str, str]]:
    """Give the words for an account, the likeliest first, each with the list that it is from."""
    seen: set[str] = set()
    for word, which in _ordered(name):
        if word not in seen:
            seen.add(word)
            yield word, which


@cache
def published() -> tuple[tuple[str, str], ...]:
    """Give the pairs of user and password with which something is delivered; none is empty.

    They are those that the device refuses; an empty password is tried anyway.
    """
    return tuple(sorted({(one.user, one.password) for one in credentials() if one.password}))


def _ordered(name: str) -> Iterator[tuple[str, str]]:
    yield "", "empty"
    yield name, "name"
    pairs, defaults, common = _lists()
    own = [password for user, password in pairs if user.lower() == name.lower()]
    rank = {word: number for number, word in enumerate(defaults)}
    own.sort(key=lambda word: rank[word])
    yield from ((word, "default") for word in own)
    yield from ((word, "name") for word in (name.lower(), name[::-1], f"{name}123", f"{name}1"))
    yield from ((word, "default") for word in defaults[:100])
    yield from ((word, "common") for word in common[:300])
    yield from ((word, "default") for word in defaults)
    yield from ((word, "common") for word in common)


@cache
def _lists() -> tuple[tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...]]:
    """Read the lists: pairs of user and password, default passwords by frequency, common ones."""
    content = Path(__file__).with_name("words.txt.xz").read_bytes()
    common = tuple(lzma.decompress(content).decode().splitlines())
    pairs = published()
    counted = Counter(password for _, password in pairs)
    defaults = sorted(counted, key=lambda word: (-counted[word], word))
    return pairs, tuple(defaults), common


def _matcher(kept: Kept) -> Matches | None:
    """Make the test for one kept password; None if it cannot be tried here."""
    if kept.password is Password.PLAIN:
        return lambda word: word == kept.secret
    if kept.secret.startswith("{"):
        return _ldap(kept.secret)
    if kept.scheme in {"md5", "sha1", "sha256", "sha512"}:
        return _digest(kept.scheme, kept.secret.lower())
    return _slow(kept) if kept.scheme in TRIES else None


def _slow(kept: Kept) -> Matches | None:
    """Make the test for a hash of crypt(); None if it would cost too much, or is not known."""
    costly = kept.scheme in {"yescrypt", "scrypt"} and not kept.secret.startswith(_SAFE_COSTS)
    if costly or kept.rounds > _MOST_ROUNDS.get(kept.scheme, 10_000):
        return None
    library = _library()
    if library is not None and not kept.secret.startswith("$apr1$"):
        return lambda word: _crypt(library, word, kept.secret)
    if kept.scheme == "md5crypt":
        return _md5crypt(kept.secret)
    return None


def _md5crypt(secret: str) -> Matches:
    """Make the test for machines whose library does not know it."""
    _, kind, salt, expected = secret.split("$", 3)
    prefix = f"${kind}$".encode()
    return lambda word: md5crypt(word.encode(), salt.encode(), prefix=prefix) == expected


def _digest(scheme: str, expected: str) -> Matches:
    return lambda word: (
        hashlib.new(scheme, word.encode(), usedforsecurity=False).hexdigest() == expected
    )


def _ldap(secret: str) -> Matches | None:
    kind, _, encoded = secret[1:].partition("}")
    scheme = {"SSHA": "sha1", "SHA": "sha1", "SMD5": "md5", "MD5": "md5"}.get(kind.upper())
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
    if scheme is None:
        return None
    size = hashlib.new(scheme, usedforsecurity=False).digest_size
    digest, salt = content[:size], content[size:]
    return lambda word: (
        hashlib.new(scheme, word.encode() + salt, usedforsecurity=False).digest() == digest
    )


@cache
def _library() -> ctypes.CDLL | None:
    """Load crypt_r of the machine; None if it has none."""
    for name in ("libcrypt.so.1", "libcrypt.so.2", ctypes.util.find_library("crypt")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None and hasattr(library, "crypt_r"):
            library.crypt_r.restype = ctypes.c_char_p
            library.crypt_r.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
            return library
    return None


@cache
def _crypt_data() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(_CRYPT_DATA)


def _crypt(library: ctypes.CDLL, word: str, secret: str) -> bool:
    setting = secret.encode(errors="replace")
    return bool(library.crypt_r(word.encode(), setting, _crypt_data()) == setting)
