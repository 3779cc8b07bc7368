"""All facts of one content, whatever it is."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.facts.gather import RULES, facts_of
from holdfast.audit.facts.shapes import FileKind
from tests.audit.elf_builder import build

SEEDS = (
    build(machine="mips", needed=("libc.so.0",), imports=("system",), build_id="ab" * 20),
    build(machine="x86_64", pie=True, relro="full", exports=("main",), stripped=False),
    build(machine="armeb", type="library", soname="libx.so.1", rpath="/opt:/tmp"),
    build(machine="mips", type="module", modinfo={"vermagic": "2.6.36"}, imports=("printk",)),
)


def test_a_program() -> None:
    content = build(strings=("BusyBox v1.14.1 (2013-03-22 17:28:07 CST)",))
    known = facts_of(content)
    assert known.sha256 == hashlib.sha256(content).hexdigest()
    assert known.size_bytes == len(content)
    assert known.kind is FileKind.ELF
    assert known.entropy == 0.0
    (hit,) = [one for one in known.hits if one.pattern == "component-busybox"]
    assert content[hit.offset :].startswith(b"BusyBox v1.14.1 (")
    assert hit.version == "1.14.1"


def test_a_digest_that_is_known_is_not_made_again() -> None:
    assert facts_of(b"abc", "feed").sha256 == "feed"


def test_a_script_and_something_packed() -> None:
    assert facts_of(b"#!/bin/sh\nexit\n").interpreter == "/bin/sh"
    packed = facts_of(b"\x1f\x8b\x08" + hashlib.sha512(b"x").digest() * 9)
    assert packed.entropy > 5


def test_a_kernel_is_told_by_its_banner() -> None:
    banner = (
        b"Linux version 2.6.36 (zhang@ubuntu) (gcc version 4.6.3) #1 Sun Nov 19 18:31:57 PST 2023"
    )
    assert facts_of(bytes(5000) + banner + bytes(100)).kind is FileKind.KERNEL
    assert facts_of(banner).kind is FileKind.TEXT


def test_the_rules_have_a_digest() -> None:
    assert len(bytes.fromhex(RULES)) == 32


@settings(max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=600),
    start=st.sampled_from([b"", b"\x7fELF", b"#!", b"\x1f\x8b\x08"]),
)
def test_random_bytes_have_facts(content: bytes, start: bytes) -> None:
    known = facts_of(start + content)
    assert known.size_bytes == len(start + content)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 400), st.integers(0, 6000)),
            st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f", b"\0\0\0\x10", b"\x80"]),
        ),
        max_size=12,
    ),
    cut=st.one_of(st.just(10_000), st.integers(16, 5000)),
)
def test_damaged_elf_files_have_facts(
    seed: bytes, changes: list[tuple[int, bytes]], cut: int
) -> None:
    content = bytearray(seed)
    for at, new in changes:
        content[at : at + len(new)] = new
    known = facts_of(bytes(content[:cut]))
    assert known.kind in FileKind


@pytest.mark.parametrize("count", [0xFFFF, 0x7FFF])
def test_counts_that_lie_cost_nothing(count: int) -> None:
    content = bytearray(build(machine="mips"))
    content[44:46] = count.to_bytes(2, "big")  # program headers
    content[48:50] = count.to_bytes(2, "big")  # section headers
    assert facts_of(bytes(content)).size_bytes == len(content)
