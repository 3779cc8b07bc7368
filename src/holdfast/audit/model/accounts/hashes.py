"""Tells what a password field holds: nothing, a lock, a hash of some scheme, or the password."""

import re
from dataclasses import dataclass
from typing import Final

from holdfast.audit.model.shapes import Password

_CRYPT: Final = (
    (re.compile(r"\$1\$([^$]{0,8})\$[./0-9A-Za-z]{22}"), "md5crypt", 1000),
    (re.compile(r"\$apr1\$([^$]{0,8})\$[./0-9A-Za-z]{22}"), "md5crypt", 1000),
    (re.compile(r"\$5\$(?:rounds=(?P<rounds>\d{1,9})\$)?([^$]{0,16})\$[./0-9A-Za-z]{43}"),
     "sha256crypt", 5000),
    (re.compile(r"\$6\$(?:rounds=(?P<rounds>\d{1,9})\$)?([^$]{0,16})\$[./0-9A-Za-z]{86}"),
     "sha512crypt", 5000),
    (re.compile(r"\$2[abxy]?\$(?P<rounds>\d\d)\$([./0-9A-Za-z]{22})[./0-9A-Za-z]{31}"),
     "bcrypt", 0),
    (re.compile(r"\$g?y\$[./0-9A-Za-z]+\$([./0-9A-Za-z]{0,86})\$[./0-9A-Za-z]{43}"), "yescrypt", 0),
    (re.compile(r"\$7\$.{11}([./0-9A-Za-z]{0,86})\$[./0-9A-Za-z]{43}"), "scrypt", 0),
    (re.compile(r"\$argon2id\$(?:v=\d+\$)?m=\d+,t=(?P<rounds>\d+),p=\d+\$([^$]+)\$[^$]+"),
     "argon2id", 0),
    (re.compile(r"\$argon2[id]\$(?:v=\d+\$)?m=\d+,t=(?P<rounds>\d+),p=\d+\$([^$]+)\$[^$]+"),
     "unknown", 0),
    (re.compile(r"pbkdf2_sha256\$(?P<rounds>\d+)\$([^$]+)\$[^$]+"), "unknown", 0),
    (re.compile(r"_[./0-9A-Za-z]{4}([./0-9A-Za-z]{4})[./0-9A-Za-z]{11}"), "des", 0),
)  # fmt: skip
_DES = re.compile(r"[./0-9A-Za-z]{13}")
_LDAP = re.compile(
    r"\{(SSHA|SHA|SMD5|MD5|CRYPT|SSHA256|SSHA512|SHA256|SHA512)\}(.+)", re.IGNORECASE
)
_HEXADECIMAL: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_LDAP_SCHEMES: Final = {"SSHA": "sha1", "SHA": "sha1", "SMD5": "md5", "MD5": "md5",
                        "SSHA256": "sha256", "SHA256": "sha256", "SSHA512": "sha512",
                        "SHA512": "sha512"}  # fmt: skip
_HEX = re.compile(r"[0-9a-fA-F]+")
_LEAST_SALT = 8
_NO_SALT: Final = frozenset({"md5", "sha1", "sha256", "sha512"})
LONGEST: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How a password is kept.

    Attributes:
        password: State.
        scheme: As in `Account`.
        rounds: As in `Account`.
        salt: `good`, `short` or `empty`; "" without hash.
        salt_text: The salt itself; never leaves this process.
        secret: Hash or password; never leaves this process.
    """

    password: Password
    scheme: str = ""
    rounds: int = 0
    salt: str = ""
    salt_text: str = ""
    secret: str = ""


EMPTY: Final = Kept(password=Password.EMPTY)
LOCKED: Final = Kept(password=Password.LOCKED)
NONE: Final = Kept(password=Password.NONE)


def of_field(text: str) -> Kept:
    """Read a field of passwd or shadow, where only a hash opens."""
    if not text:
        return EMPTY
    if text[0] in "!*" or text in {"x", "NP", "LK", "nologin", "locked"} or len(text) > LONGEST:
        return LOCKED
    kept = _hashed(text)
    if kept is not None:
        return kept
    if _DES.fullmatch(text):
        return Kept(
            password=Password.HASHED, scheme="des", salt="short", salt_text=text[:2], secret=text
        )
    # No crypt() gives such a text: nobody gets in with it.
    return LOCKED if len(text) < len("ab0123456789.") else Kept(
        password=Password.HASHED, scheme="unknown", secret=text
    )  # fmt: skip


def of_value(text: str) -> Kept:
    """Read a value of a configuration, where the password itself may stand too."""
    if not text:
        return EMPTY
    if len(text) > LONGEST:
        return NONE
    kept = _hashed(text)
    if kept is not None:
        return kept
    if len(text) in _HEXADECIMAL and _HEX.fullmatch(text):
        return Kept(
            password=Password.HASHED, scheme=_HEXADECIMAL[len(text)], salt="empty", secret=text
        )
    return Kept(password=Password.PLAIN, scheme="plain", secret=text)


def _hashed(text: str) -> Kept | None:
    """Read a hash that says what it is."""
    if (match := _LDAP.fullmatch(text)) is not None:
        kind = match[1].upper()
        if kind == "CRYPT":
            return of_field(match[2])
        salted = kind.startswith(("SSHA", "SMD5"))
        return Kept(
            password=Password.HASHED, scheme=_LDAP_SCHEMES[kind],
            salt="good" if salted else "empty", secret=text,
        )  # fmt: skip
    for expression, scheme, usual in _CRYPT:
        found = expression.fullmatch(text)
        if found is None:
            continue
        named = found.groupdict().get("rounds")
        salt = found.groups()[-1] or ""
        state = "empty" if not salt else "good" if len(salt) >= _LEAST_SALT else "short"
        return Kept(
            password=Password.HASHED, scheme=scheme, rounds=int(named) if named else usual,
            salt=state, salt_text=salt, secret=text,
        )  # fmt: skip
    return None
