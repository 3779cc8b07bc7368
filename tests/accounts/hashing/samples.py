"""Hashes that other programs made."""

import base64
import hashlib

from django.contrib.auth.hashers import PBKDF2PasswordHasher, PBKDF2SHA1PasswordHasher

from holdfast.accounts.hashing import legacy

HELLO = "Hello world!"
LONG = "we have a short salt string but not a short password"
# Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", the vectors of its test program.
VECTORS = [
    ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", HELLO),
    ("$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", HELLO),
    (
        (
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFC"
            "oEOfaS35inz1"
        ),
        HELLO,
    ),
    (
        (
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8"
            "vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
        ),
        HELLO,
    ),
    (
        (
            "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxF"
            "mtlcGZelFl5CxtgfiAc0"
        ),
        LONG,
    ),
    (
        (
            "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF"
            "4ZEQpyUNGc0dqbpBYYBaHHrsX."
        ),
        "the minimum number is still observed",
    ),
    ("$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", HELLO),
    ("$apr1$saltstri$aGfuB7Lcvs2TUeFTqUVfN0", HELLO),
]


def fits(old_hash: str, secret: str) -> bool:
    found = legacy.parse(old_hash)
    return legacy.compute(found.old, secret.encode()) == found.digest


WORD = "Sésame, open thyself"
RAW = WORD.encode()


def sha1(content: bytes) -> bytes:
    return hashlib.new("sha1", content, usedforsecurity=False).digest()


def ldap64(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=").replace("+", ".")


def pbkdf2(name: str, rounds: int, salt: bytes = b"\xff\xfe salt") -> str:
    return f"{rounds}${ldap64(salt)}${ldap64(hashlib.pbkdf2_hmac(name, RAW, salt, rounds))}"


TAKEN = [
    (sha1(RAW).hex(), "sha1"),
    (sha1(RAW).hex().upper(), "sha1"),
    ("{SHA}" + base64.b64encode(sha1(RAW)).decode(), "sha1"),
    ("{SSHA}" + base64.b64encode(sha1(RAW + b"salt") + b"salt").decode(), "sha1"),
    ("{ssha}" + base64.b64encode(sha1(RAW + b"s" * 16) + b"s" * 16).decode(), "sha1"),
    (PBKDF2PasswordHasher().encode(WORD, "saltsalt", 1000), "pbkdf2-sha256"),
    (PBKDF2SHA1PasswordHasher().encode(WORD, "saltsalt", 1000), "pbkdf2-sha1"),
    ("{PBKDF2}" + pbkdf2("sha1", 12000), "pbkdf2-sha1"),
    ("{PBKDF2-SHA1}" + pbkdf2("sha1", 1), "pbkdf2-sha1"),
    ("{PBKDF2-SHA256}" + pbkdf2("sha256", 100), "pbkdf2-sha256"),
    ("{PBKDF2-SHA512}" + pbkdf2("sha512", 100, b""), "pbkdf2-sha512"),
    ("$pbkdf2$" + pbkdf2("sha1", 100), "pbkdf2-sha1"),
    ("$pbkdf2-sha256$" + pbkdf2("sha256", 100), "pbkdf2-sha256"),
    ("$pbkdf2-sha512$" + pbkdf2("sha512", 100), "pbkdf2-sha512"),
    (
        "pbkdf2:sha256:100$salt$" + hashlib.pbkdf2_hmac("sha256", RAW, b"salt", 100).hex(),
        "pbkdf2-sha256",
    ),
]
