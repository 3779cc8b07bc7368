"""No user or password is compiled into a program."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No password or hash is compiled into a program",
    why="It cannot be changed, it is the same everywhere, and `strings` shows it to everybody.",
    fix="Remove it; a program asks auth, it knows no passwords.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 1.12", "EN 303 645 5.4-3", "CRA Annex I part I (2)(d)", "PSTI Sch. 1 para 1"),
)
_KINDS = {
    "hash-md5crypt": "an MD5-crypt hash",
    "hash-sha256crypt": "a SHA-256-crypt hash",
    "hash-sha512crypt": "a SHA-512-crypt hash",
    "hash-bcrypt": "a bcrypt hash",
    "hash-ldap": "a password hash",
    "hash-passwd-line": "a line of passwd with a DES hash",
}
_MOST_BYTES: Final = 64 * 1024 * 1024
_LAST_PART: Final = re.compile(
    rb"\$[0-9a-z]{1,3}\$(?:[^$\s\0]{1,40}\$){0,2}([./A-Za-z0-9]{20,100})"
)
_DUMMY_LETTERS: Final = 2
# Their own self-tests carry hashes of known words.
_SELF_TESTS = (
    "libc.so",
    "libc-",
    "libc.musl",
    "libcrypt",
    "ld-musl",
    "libcrypto",
    "libxcrypt",
    "libuClibc",
)


def run(image: Image) -> Iterator[Finding]:
    """Look for hashes, and for accounts that a program brings, in compiled programs."""
    for path, hit in image.hits(*_KINDS):
        facts = image.facts_of(path)
        name = path.rpartition("/")[2]
        if facts is None or facts.elf is None or name.startswith(_SELF_TESTS):
            continue
        if facts.elf.soname.startswith(_SELF_TESTS) or _implements(facts.elf.exports):
            continue
        if not _is_dummy(image, path, hit.offset):
            yield Finding(where=path, what=f"holds {_KINDS[hit.pattern]}", offset=hit.offset)
    for account in image.model.accounts:
        if "@" in account.where:
            yield Finding(
                where=account.where, what=f"the program brings the account {account.name}"
            )


def _is_dummy(image: Image, path: str, offset: int) -> bool:
    """Tell whether it is a hash of nothing, as sshd compares with where there is no such user."""
    try:
        content = image.tree.read(path, _MOST_BYTES) or b""
    except FormatError:
        return False
    match = _LAST_PART.match(content, offset, offset + 200)
    return match is not None and len(set(match[1])) <= _DUMMY_LETTERS


def _implements(exports: tuple[str, ...]) -> bool:
    return any(name in {"crypt", "crypt_r", "__crypt_r", "__crypt_md5"} for name in exports)
