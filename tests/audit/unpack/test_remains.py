"""What no reader explains is told apart by principle: filler, text, programs, the unknown."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.limits import Limits
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.remains import entropy, entropy_of, judge, tree_bytes
from holdfast.audit.unpack.source import Bytes
from tests.audit.unpack.boxes import BANNER, code, noise

CMS = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x82\x04\x00" + noise(1200)
CMS = b"\x30\x82" + struct.pack(">H", len(CMS)) + CMS


def kinds(content: bytes, covered: int = 0) -> list[str]:
    found = judge(Bytes(content), Budget(Limits(seconds=20)), covered=covered)
    at = 0
    for each in found:
        assert each.offset >= at
        at = each.offset + each.size_bytes
    assert at <= len(content)
    return [each.name or each.kind for each in found]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (bytes(5000), "filler"),
        (b"\xff" * 70_000, "filler"),
        (b"\xde\xad\xbe\xef" * 9000, "filler"),
        (b"\xff" * 900 + b"\xde\xad\xc0\xde" + b"\xff" * 60_000, "trailer"),
        (noise(300), "trailer"),
        (b"key=value\nother=thing\n" * 400, "text"),
        (b"bootcmd=bootm\0bootdelay=1\0" * 400, "text"),
        (CMS, "CMS"),
        (bytes(12) + CMS + struct.pack(">Q", len(CMS)), "CMS"),
        (CMS + noise(9000), "unknown"),
        (code(300_000) + BANNER + code(90_000, seed=3), "kernel"),
        (code(90_000) + b"U-Boot 2011.12 (May 2 2013 - 10:00:00)\0", "U-Boot"),
        (code(90_000) + b"CFE version 1.0.37 for BCM\0", "CFE"),
        (code(90_000) + b"VxWorks 5.5.1\0", "VxWorks"),
        (noise(90_000), "unknown"),
        (code(90_000), "unknown"),
    ],
)
def test_kind(content: bytes, kind: str) -> None:
    assert kinds(content) == [kind]


def test_filler_around_is_no_part_of_it() -> None:
    (one,) = judge(Bytes(bytes(4000) + noise(9000) + b"\xff" * 99), Budget(Limits()))
    assert (one.offset, one.size_bytes) == (4000, 9000)


def test_few_bytes_of_filler_may_belong_to_it() -> None:
    (one,) = judge(Bytes(bytes(6) + noise(9000)), Budget(Limits()))
    assert one.offset == 0


def test_what_is_packed_in_a_boot_loader_stays_unknown() -> None:
    content = (code(65_536) + b"U-Boot 1.1.4 (x)\0").ljust(81_920, b"\x55") + noise(131_072)
    assert kinds(content + code(32_768)) == ["U-Boot", "unknown", "U-Boot"]


def test_a_hash_tree_behind_a_file_system_is_known() -> None:
    covered = 4096 * 300 - 1000
    tree = bytearray(1000 + tree_bytes(covered))
    tree[1000 : 1000 + 3 * 32] = noise(96)  # the top level: three blocks below it
    tree[1000 + 4096 :] = noise(len(tree) - 1000 - 4096)
    assert kinds(bytes(tree) + CMS, covered) == ["hash-tree", "CMS"]
    assert kinds(noise(len(tree)), covered) == ["unknown"]
    assert tree_bytes(4096) == 0
    assert tree_bytes(4096 * 128) == 4096
    assert tree_bytes(4096 * 129) == 3 * 4096


def test_entropy() -> None:
    assert entropy(b"") == entropy(bytes(100)) == 0
    assert entropy(bytes(range(256))) == pytest.approx(8)
    assert entropy_of(Bytes(bytes(range(256)) * 40_000)) == pytest.approx(8)
    assert entropy_of(Bytes(b"")) == 0


@settings(max_examples=100, deadline=None)
@given(
    content=st.lists(
        st.one_of(
            st.binary(max_size=700),
            st.tuples(st.sampled_from([b"\0", b"\xff", b"ab"]), st.integers(0, 3000)).map(
                lambda pair: pair[0] * pair[1]
            ),
        ),
        max_size=5,
    ).map(b"".join),
    covered=st.integers(0, 1 << 30),
)
def test_parts_stay_inside_and_in_order(content: bytes, covered: int) -> None:
    kinds(content or b"x", covered)
