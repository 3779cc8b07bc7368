"""No user or password is compiled into a program."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.accounts._fixed_logins import Login, logins
from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import ElfFacts
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

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
_MOST_PROGRAM: Final = 32 * 1024 * 1024
_MOST_NAMED: Final = 5
_LAST_PART: Final = re.compile(
    rb"\$[0-9a-z]{1,3}\$(?:[^$\s\0]{1,40}\$){0,2}([./A-Za-z0-9]{20,100})"
)
_DUMMY_LETTERS: Final = 2
_MUSL: Final = frozenset({
    b"$1$abcd0123$9Qcg8DyviekV3tDGMZynJ1",
    b"$5$rounds=1234$abc0123456789$3VfDjPt05VHFn47C/ojFZ6KRPYrOjj1lLbH.dkF3bZ6",
    (b"$6$rounds=1234$abc0123456789$BCpt8zLrc/RcyuXmCDOE1ALqMXB2MH6n1g891HhFj8.w7LxGv.FTkqq6Vxc"
     b"/km3Y0jE0j24jY5PIv/oOu6reg1"),
})  # fmt: skip
"""What crypt() of musl tests itself with; every static program that calls it has them."""
_SSHD: Final = b"$2a$06$r3.juUaHZDlIbQaO2dS9FuYxL1W9M81R1Tc92PoSNmzvpEqLkLGrK"
"""What OpenSSH compares with where there is no such user, so that it takes as long."""
_WHOLE: Final = re.compile(rb"[\x21-\x7e]{1,200}")
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
        if facts is None or facts.elf is None or _tests_itself(path, facts.elf):
            continue
        if not _opens_nothing(image, path, hit.offset):
            yield Finding(where=path, what=f"holds {_KINDS[hit.pattern]}", offset=hit.offset)
    for account in image.model.accounts:
        if _in_program(image, account.where):
            yield Finding(
                where=account.where, what=f"the program brings the account {account.name}"
            )
    suspected = []
    for path, login in _fixed_logins(image):
        if login.sure:
            yield Finding(
                where=path,
                what=f"holds a table of accounts, with {login.name} and its password",
                offset=login.offset,
            )
        else:
            suspected.append(f"{path}@{login.offset} ({login.name})")
    if suspected:
        raise Undecided(
            "what looks like a password stands beside a login name in programs that compare "
            f"texts: {', '.join(suspected[:_MOST_NAMED])}"
        )


def _tests_itself(path: str, elf: ElfFacts) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(_SELF_TESTS) or elf.soname.startswith(_SELF_TESTS) or _implements(elf)


def _fixed_logins(image: Image) -> Iterator[tuple[str, Login]]:
    """Look around login names in everything that can compare what somebody typed with them."""
    places: dict[str, list[int]] = {}
    for path, hit in image.hits("login-name"):
        places.setdefault(path, []).append(hit.offset)
    done: set[str] = set()
    for path, offsets in places.items():
        facts = image.facts_of(path)
        if facts is None or facts.elf is None or facts.sha256 in done:
            continue
        done.add(facts.sha256)
        if facts.size_bytes > _MOST_PROGRAM or not _compares(facts.elf):
            continue
        try:
            content = image.tree.read(path, _MOST_PROGRAM) or b""
        except FormatError:
            continue
        for login in logins(content, offsets):
            yield path, login


def _compares(elf: ElfFacts) -> bool:
    """A static program without symbols may compare texts as well as any other."""
    names = elf.exports if elf.static else elf.imports
    known = any("cmp" in name or "compare" in name for name in names)
    return elf.type != "object" and (known or (elf.static and not names))


def _in_program(image: Image, where: str) -> bool:
    """Tell whether a place is one inside a program; names of volumes have an `@` as well."""
    path, at, offset = where.rpartition("@")
    facts = image.facts_of(path) if at and offset.isdecimal() else None
    return facts is not None and facts.elf is not None


def _opens_nothing(image: Image, path: str, offset: int) -> bool:
    """Tell whether it is a self-test, or what sshd compares with where there is no such user."""
    try:
        content = image.tree.read(path, _MOST_BYTES) or b""
    except FormatError:
        return False
    whole = _WHOLE.match(content, offset)
    if whole is not None and whole[0] in {*_MUSL, _SSHD}:
        return True
    match = _LAST_PART.match(content, offset, offset + 200)
    return match is not None and len(set(match[1])) <= _DUMMY_LETTERS


def _implements(elf: ElfFacts) -> bool:
    return not {"crypt", "crypt_r", "__crypt_r", "__crypt_md5"}.isdisjoint(elf.exports)
