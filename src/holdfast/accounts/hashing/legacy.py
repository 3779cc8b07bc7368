"""Hashes of older products: which are taken over, which are not and why, and how they go."""

import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from holdfast.accounts.errors import LegacyHashError
from holdfast.accounts.hashing.crypts import md5crypt, shacrypt
from holdfast.accounts.hashing.stored import Old

LONGEST: Final = 512
LONGEST_SALT: Final = 64
USUAL_SHA_ROUNDS: Final = 5000
FEWEST_SHA_ROUNDS: Final = 1000
# As many as passlib made by itself; a file may ask for a thousand million, which takes hours.
MOST_SHA_ROUNDS: Final = 656_000
# Django 5.2 makes 1,000,000 and each version adds some.
MOST_PBKDF2_ROUNDS: Final = 2_000_000
_SIZES: Final = {"sha1": 20, "sha256": 32, "sha512": 64}
SCHEMES: Final = frozenset(
    {"md5crypt", "apr1", "sha256crypt", "sha512crypt", "sha1"}
    | {f"pbkdf2-{name}" for name in _SIZES}
)
_MD5_CRYPT: Final = re.compile(r"\$(1|apr1)\$([^$:\s]{0,8})\$([./0-9A-Za-z]{22})")
_SHA_CRYPT: Final = re.compile(
    r"\$(?:(5)|(6))\$(?:rounds=([0-9]{1,12})\$)?([^$:\s]{0,16})"
    r"\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})"
)
_SHA_LETTERS: Final = {256: 43, 512: 86}
_HEX_SHA1: Final = re.compile(r"[0-9a-fA-F]{40}")
_LDAP_SHA1: Final = re.compile(r"\{(SHA|SSHA)\}([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_DJANGO: Final = re.compile(r"pbkdf2_(sha1|sha256)\$([0-9]{1,12})\$([^$]+)\$([A-Za-z0-9+/]+={0,2})")
_LDAP_PBKDF2: Final = re.compile(
    r"(?:\{PBKDF2(?:-SHA(?P<ldap>1|256|512))?\}|\$pbkdf2(?:-sha(?P<passlib>1|256|512))?\$)"
    r"(?P<rounds>[0-9]{1,12})\$(?P<salt>[A-Za-z0-9./]*)\$(?P<digest>[A-Za-z0-9./]+)",
    re.IGNORECASE,
)
_WERKZEUG: Final = re.compile(r"pbkdf2:(sha1|sha256|sha512):([0-9]{1,12})\$([^$]+)\$([0-9a-fA-F]+)")
_ANEW: Final = "cannot be computed here; have the password set anew"
_STRONG_BUT_UNKNOWN: Final = f"is strong, but {_ANEW}"
_REFUSED: Final = (
    (re.compile(r""), "there is none; anybody could log in"),
    (re.compile(r"\*[0-9a-fA-F]{40}"), f"SHA-1 twice, as MySQL makes it, {_ANEW}"),
    (re.compile(r"sha1\$.*"), f"SHA-1 with the salt in front {_ANEW}"),
    (re.compile(r"[!*].*|x|NP|LK"), "the account is locked, or its hash is kept elsewhere"),
    (re.compile(r"\{CRYPT\}.*", re.IGNORECASE), "write what follows {CRYPT} without it"),
    (
        re.compile(r"[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}"),
        "DES-crypt looks at eight characters only and is guessed within hours",
    ),
    (
        re.compile(r"\$(?:3|NT)\$.*|[0-9a-fA-F]{32}:[0-9a-fA-F]{32}"),
        "NTLM has no salt, and the hash alone opens Windows servers",
    ),
    (
        re.compile(r"[0-9a-fA-F]{32}|\{S?MD5\}.*", re.IGNORECASE),
        "one round of MD5 (or NTLM) is guessed within minutes",
    ),
    (re.compile(r"\$2[abxy]?\$.*|bcrypt.*"), f"bcrypt {_STRONG_BUT_UNKNOWN}"),
    (re.compile(r"\$g?y\$.*"), f"yescrypt {_STRONG_BUT_UNKNOWN}"),
    (re.compile(r"\$7\$.*|\$scrypt\$.*|scrypt.*"), f"scrypt {_STRONG_BUT_UNKNOWN}"),
    (
        re.compile(r"\$holdfast.*|(?:argon2)?\$argon2.*"),
        "it is no older hash but one of Argon2, which can be checked only where it was made",
    ),
    (re.compile(r"\$.*|\{.*"), "its scheme is not known, or it is damaged"),
)
_PLAIN: Final = "it is the password itself, or of no known scheme; a password must not lie open"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldHash:
    """A hash of an older product, taken apart.

    Attributes:
        old: What it was computed with.
        digest: Its last part, in the spelling of `compute`.
    """

    old: Old
    digest: str = field(repr=False)


def parse(text: str) -> OldHash:
    """Take a hash apart that may be taken over.

    Raises:
        LegacyHashError: It may not, with the reason; the hash is not in it.
    """
    if len(text) > LONGEST:
        raise LegacyHashError(f"it is longer than {LONGEST} characters")
    for read in (_md5_crypt, _sha_crypt, _sha1, _pbkdf2_of_django, _pbkdf2_of_ldap, _werkzeug):
        found = read(text)
        if found is not None:
            return found
    for expression, reason in _REFUSED:
        if expression.fullmatch(text):
            raise LegacyHashError(reason)
    raise LegacyHashError(_PLAIN)


def compute(old: Old, secret: bytes) -> str:
    """Compute what the older product would have stored for a secret.

    Raises:
        LegacyHashError: The scheme is not known, or takes more rounds than allowed.
    """
    must_be_bearable(old)
    if old.scheme in {"md5crypt", "apr1"}:
        prefix = b"$1$" if old.scheme == "md5crypt" else b"$apr1$"
        return md5crypt(secret, old.salt, prefix=prefix)
    if old.scheme in {"sha256crypt", "sha512crypt"}:
        bits = 256 if old.scheme == "sha256crypt" else 512
        return shacrypt(secret, old.salt, bits=bits, rounds=old.rounds)
    if old.scheme == "sha1":
        return hashlib.new("sha1", secret + old.salt, usedforsecurity=False).hexdigest()
    return hashlib.pbkdf2_hmac(
        old.scheme.removeprefix("pbkdf2-"), secret, old.salt, old.rounds
    ).hex()


def must_be_bearable(old: Old) -> None:
    """Refuse parameters with which nothing is computed.

    Raises:
        LegacyHashError: The scheme is not known, or takes more rounds than allowed.
    """
    if old.scheme not in SCHEMES:
        raise LegacyHashError("its scheme is not known")
    least, most = 0, 0
    if old.scheme.startswith("pbkdf2-"):
        least, most = 1, MOST_PBKDF2_ROUNDS
    elif old.scheme in {"sha256crypt", "sha512crypt"}:
        least, most = FEWEST_SHA_ROUNDS, MOST_SHA_ROUNDS
    if not least <= old.rounds <= most:
        raise LegacyHashError(f"{old.rounds} rounds are not {least} to {most}")
    if len(old.salt) > LONGEST_SALT:
        raise LegacyHashError(f"its salt is longer than {LONGEST_SALT} bytes")


def _taken(scheme: str, digest: str, *, salt: bytes = b"", rounds: int = 0) -> OldHash:
    old = Old(scheme=scheme, rounds=rounds, salt=salt)
    must_be_bearable(old)
    return OldHash(old=old, digest=digest)


def _md5_crypt(text: str) -> OldHash | None:
    found = _MD5_CRYPT.fullmatch(text)
    if found is None:
        return None
    scheme = "md5crypt" if found[1] == "1" else "apr1"
    return _taken(scheme, found[3], salt=_utf8(found[2]))


def _sha_crypt(text: str) -> OldHash | None:
    found = _SHA_CRYPT.fullmatch(text)
    if found is None:
        return None
    bits = 256 if found[1] else 512
    if len(found[5]) != _SHA_LETTERS[bits]:
        return None
    rounds = int(found[3]) if found[3] else USUAL_SHA_ROUNDS
    return _taken(f"sha{bits}crypt", found[5], salt=_utf8(found[4]), rounds=rounds)


def _sha1(text: str) -> OldHash | None:
    if _HEX_SHA1.fullmatch(text):
        return _taken("sha1", text.lower())
    found = _LDAP_SHA1.fullmatch(text)
    if found is None:
        return None
    content, size = _base64(found[2]), _SIZES["sha1"]
    digest, salt = content[:size], content[size:]
    if len(digest) != size or bool(salt) != (found[1].upper() == "SSHA"):
        raise LegacyHashError("it has the wrong length")
    return _taken("sha1", digest.hex(), salt=salt)


def _pbkdf2_of_django(text: str) -> OldHash | None:
    found = _DJANGO.fullmatch(text)
    if found is None:
        return None
    return _pbkdf2(found[1], _base64(found[4]), salt=_utf8(found[3]), rounds=int(found[2]))


def _pbkdf2_of_ldap(text: str) -> OldHash | None:
    """Read the form of OpenLDAP's module and of passlib, with dots instead of pluses."""
    found = _LDAP_PBKDF2.fullmatch(text)
    if found is None:
        return None
    salt, digest = (
        _base64(part.replace(".", "+") + "=" * (-len(part) % 4))
        for part in found.group("salt", "digest")
    )
    name = f"sha{found['ldap'] or found['passlib'] or '1'}"
    return _pbkdf2(name, digest, salt=salt, rounds=int(found["rounds"]))


def _werkzeug(text: str) -> OldHash | None:
    found = _WERKZEUG.fullmatch(text)
    if found is None or len(found[4]) % 2:
        return None
    digest = bytes.fromhex(found[4])
    return _pbkdf2(found[1], digest, salt=_utf8(found[3]), rounds=int(found[2]))


def _pbkdf2(name: str, digest: bytes, *, salt: bytes, rounds: int) -> OldHash:
    if len(digest) != _SIZES[name]:
        raise LegacyHashError("it has the wrong length")
    return _taken(f"pbkdf2-{name}", digest.hex(), salt=salt, rounds=rounds)


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise LegacyHashError("its base64 is damaged") from error


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LegacyHashError("its salt is no text") from error
