"""Containers give their parts, and make of damage nothing but an error of their own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.unpack import containers, vendors
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.devicetree import properties
from holdfast.audit.unpack.kernels import WRAPPERS
from holdfast.audit.unpack.leaves import LEAVES
from holdfast.audit.unpack.reader import Container
from holdfast.audit.unpack.source import Bytes
from tests.audit.unpack.boxes import (
    android_boot,
    chk,
    fdt,
    fit,
    multi,
    noise,
    seama,
    sparse,
    tplink,
    trx,
    uimage,
    zimage,
)

ALL = (*containers.CONTAINERS, *vendors.CONTAINERS)
A, B = b"A" * 1000, noise(3000)
IMAGES = {
    "uimage": uimage(A),
    "uimage of several": uimage(multi(A, B, b"c"), kind=4),
    "fit": fit({"kernel": A, "fdt": B}),
    "fit outside": fit({"kernel": A, "fdt": B}, outside=True),
    "android-boot": android_boot(A, B),
    "android-sparse": sparse(bytes(8192) + B + b"wxyz" * 2048),
    "trx": trx(A, B),
    "seama": seama(A),
    "tplink": tplink(A),
    "chk": chk(A, B),
}


def begins(image: bytes, container: Container) -> bool:
    return any(image.startswith(magic.content, magic.at) for magic in container.magics)


def parts(image: bytes) -> list[tuple[str, int, bytes]]:
    for container in ALL:
        if begins(image, container) and container.measure(Bytes(image)) is not None:
            return [
                (part.name, part.offset, part.source.read_at(0, part.source.size_bytes))
                for part in container.parts(Bytes(image), Budget(Limits(seconds=20)))
            ]
    return []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("uimage", [A]),
        ("uimage of several", [A, B, b"c"]),
        ("fit", [A, B]),
        ("fit outside", [A, B]),
        ("android-boot", [A, B]),
        ("trx", [A, B]),
        ("seama", [A]),
        ("tplink", []),
        ("chk", [A, B]),
    ],
)
def test_parts_are_found(name: str, wanted: list[bytes]) -> None:
    found = parts(IMAGES[name])
    assert [content for _, _, content in found] == wanted
    for _, offset, content in found:
        assert IMAGES[name][offset : offset + len(content)] == content


def test_a_sparse_image_is_what_it_stands_for() -> None:
    wanted = (bytes(8192) + B + b"wxyz" * 2048).ljust(20480, b"\0")
    ((_, _, content),) = parts(IMAGES["android-sparse"])
    assert content == wanted
    (container,) = (each for each in ALL if each.name == "android-sparse")
    (part,) = container.parts(Bytes(IMAGES["android-sparse"]), Budget(Limits()))
    assert part.source.read_at(12_290, 9) == wanted[12_290:12_299]
    assert part.source.read_at(len(wanted) - 3, 9) == wanted[-3:]


def test_the_length_is_that_of_the_headers() -> None:
    for name, image in IMAGES.items():
        longer = image + b"\xff" * 5000
        sizes = [
            measured.size_bytes
            for container in ALL
            if begins(longer, container)
            and (measured := container.measure(Bytes(longer))) is not None
        ]
        wanted = 0x200 if name == "tplink" else len(image)
        assert len(sizes) == 1, name
        assert wanted <= sizes[0] < wanted + 4096, name


def test_a_header_with_a_wrong_sum_is_none() -> None:
    broken = bytearray(IMAGES["uimage"])
    broken[40] ^= 1
    assert parts(bytes(broken)) == []


@pytest.mark.parametrize("name", ["fit", "fit outside", "uimage of several", "android-sparse"])
def test_parts_cannot_lead_out(name: str) -> None:
    image = IMAGES[name]
    for cut in range(60, len(image), max(1, len(image) // 40)):
        try:
            for _, offset, content in parts(image[:cut]):
                assert name == "android-sparse" or offset + len(content) <= cut
        except FormatError:
            continue


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(IMAGES)),
    flips=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=8),
    cut=st.floats(0.05, 1),
)
def test_damage_raises_nothing_else(name: str, flips: list[tuple[int, int]], cut: float) -> None:
    image = bytearray(IMAGES[name])
    for place, value in flips:
        image[place % len(image)] = value
    source = Bytes(bytes(image[: int(len(image) * cut)]))
    for reader in (*ALL, *WRAPPERS, *LEAVES):
        measured = reader.measure(source)
        assert measured is None or 0 <= measured.size_bytes <= source.size_bytes
    for container in ALL:
        budget = Budget(Limits(seconds=20, file_bytes=1 << 24))
        try:
            for part in container.parts(source, budget):
                part.source.read_at(0, 1 << 16)
        except (FormatError, LimitError):
            continue


def test_properties_of_a_device_tree() -> None:
    tree = fdt({"model": b"box\0", "chosen": {"bootargs": b"quiet\0", "deeper": {"x": b""}}})
    found = [
        (each.node, each.name, tree[each.offset : each.offset + each.size])
        for each in properties(Bytes(tree))
    ]
    assert found == [
        ("", "model", b"box\0"),
        ("/chosen", "bootargs", b"quiet\0"),
        ("/chosen/deeper", "x", b""),
    ]


def test_a_device_tree_nested_without_end_is_refused() -> None:
    tree: dict[str, object] = {"x": b"1"}
    for _ in range(200):
        tree = {"n": tree}
    with pytest.raises(FormatError, match="too deep"):
        list(properties(Bytes(fdt(tree))))


def test_a_zimage_is_a_kernel() -> None:
    image = zimage(noise(5000))
    (wrapper,) = (each for each in WRAPPERS if each.name == "zimage")
    measured = wrapper.measure(Bytes(image))
    assert measured is not None
    assert measured.size_bytes == len(image)
    assert wrapper.kernel
