"""Accounts in the constants of programs: what is a table, and what only stands beside a name."""

import struct

import pytest

from holdfast.audit.checks import every
from holdfast.audit.checks.accounts._fixed_logins import looks_like_password
from holdfast.audit.tree import Tree
from holdfast.audit.verdicts import Finding, Undecided
from tests.audit.elf_builder import MACHINES, build
from tests.audit.made import file_node, image_from

BASE = 0x400000
APART = [f"a text between them, number {number} of them" for number in range(12)]


def table(machine: str, *texts: str) -> bytes:
    """Make a program that has pointers to these texts, one behind the other."""
    _, bits, big, _ = MACHINES[machine]
    size = bits // 8
    form = (">" if big else "<") + ("Q" if size == 8 else "I") * len(texts)

    def made(pointers: bytes) -> bytes:
        # Not beside each other: only the pointers tell that they belong together.
        strings = [part for text in texts for part in (text, *APART)]
        return build(machine=machine, imports=("strcmp",), rodata=pointers, strings=strings)

    plain = made(bytes(size * len(texts)))
    places = [BASE + plain.index(f"\0{text}\0".encode()) + 1 for text in texts]
    return made(struct.pack(form, *places))


def relocated(*texts: str) -> bytes:
    """Make a program whose pointers are written by relocations with addends, as on x86_64."""

    def made(entries: bytes) -> bytes:
        strings = [part for text in texts for part in (text, *APART)]
        return build(machine="x86_64", imports=("strcmp",), rodata=entries, strings=strings)

    plain = made(bytes(24 * len(texts)))
    places = [BASE + plain.index(f"\0{text}\0".encode()) + 1 for text in texts]
    entries = [struct.pack("<QQQ", 0x3000 + 8 * n, 8, at) for n, at in enumerate(places)]
    return made(b"".join(entries))


def judged(program: bytes) -> list[Finding]:
    image = image_from(Tree([file_node("usr/sbin/authd", program, mode=0o755)]), guess=False)
    return list(every()["password-not-in-program"].run(image))


@pytest.mark.parametrize("machine", ["mips", "mipsel", "arm", "x86", "x86_64", "aarch64"])
def test_a_table_of_accounts_is_found(machine: str) -> None:
    (found,) = judged(table(machine, "superadmin", "S3cr3t!Backd00r", "admin", "admin"))
    assert "superadmin" in found.what
    assert "S3cr3t" not in found.what
    assert found.offset


def test_a_table_made_by_relocations_is_found() -> None:
    (found,) = judged(relocated("support", "Tech!2014x"))
    assert "support" in found.what


@pytest.mark.parametrize(
    "words",
    [("root", "sha256"), ("admin", "Administrator"), ("user", "password"), ("root", "/bin/sh0!x"),
     ("service", "systemd-udevd2"), ("manager", "%s!3x4y"), ("admin", "admin")],
)  # fmt: skip
def test_tables_of_words_are_none(words: tuple[str, str]) -> None:
    assert judged(table("mips", *words)) == []


def test_what_stands_beside_a_name_is_suspected_only() -> None:
    program = build(imports=("strcmp",), strings=("login: ", "engineer", "/bin/sh", "Zte521xyz!"))
    with pytest.raises(Undecided, match=r"usr/sbin/authd@\d+ \(engineer\)"):
        judged(program)


def test_a_program_that_ends_within_its_headers_is_no_trouble() -> None:
    program = table("mips", "superadmin", "S3cr3t!Backd00r")
    for end in (20, 60, 200, len(program) // 2):
        judged(program[:end] + b"superadmin\0")


@pytest.mark.parametrize(
    "text",
    [
        "zlxx.sup3r!",
        "S3cr3t!Backd00r",
        "Zte521xyz!",
        "7ujMko0admin$",
        "PrOw!1aN_fXp",
        "p4ssw0rdx9z",
    ],
)
def test_passwords_look_like_passwords(text: str) -> None:
    assert looks_like_password(text)


@pytest.mark.parametrize(
    "text",
    ["sha256", "md5crypt", "libc.so.6", "GLIBC_2.34", "eth0", "x86_64", "utf-8", "1.35.0-r17",
     "0xdeadbeef", "d41d8cd98f00b204", "/bin/sh", "%d.%d!", "Done!", "hello world 1!", "io_manager",
     "memcpy@@GLIBC_2.14", "memcpy@GLIBC_2.2.5", "create_module#64",
     "252.39-1~deb12u2", "http/1.1", "user@host.example"],
)  # fmt: skip
def test_names_of_things_do_not(text: str) -> None:
    assert not looks_like_password(text)
