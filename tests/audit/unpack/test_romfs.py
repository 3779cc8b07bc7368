"""romfs: what genromfs makes, and what nobody should make."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.romfs import MAGIC, READER
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import differences, make, same_file, tree_of

CHANCE = random.Random
FOLDER, FILE, LINK, BLOCK, CHARACTER, SOCKET, PIPE = range(1, 8)


@pytest.mark.servers
def test_images_of_genromfs(tmp_path: Path, need: Callable[[str], str]) -> None:
    folder = make(tmp_path / "root", many=1500)
    image = tmp_path / "image"
    special = [folder / "@console,c,5,1", folder / "@disk,b,8,3", folder / "@pipe,p,0,0"]
    for path in special:
        path.touch()
    process.run([need("genromfs"), "-d", folder, "-f", image, "-V", "a name"], timeout_s=30)
    for path in special:
        path.unlink()
    tree = tree_of(READER, image.read_bytes())
    # It keeps no times, no owners, and of the permissions only whether a file is executable.
    names = ["console", "disk", "pipe"]
    faults = differences(tree, folder, but=("mtime", "mode"))
    assert faults == [f"{name} should not be there" for name in names]
    nodes = [tree.get(name) for name in names]
    assert [(node.kind, node.device) for node in nodes if node] == [
        (Kind.CHARACTER, (5, 1)),
        (Kind.BLOCK, (8, 3)),
        (Kind.PIPE, None),
    ]
    assert same_file(tree, "bin/su", "bin/busybox")
    executable = [tree.get("bin/busybox"), tree.get("etc/motd")]
    assert [oct(node.mode) for node in executable if node] == ["0o755", "0o644"]


def summed(content: bytes, at: int) -> bytes:
    """Put in the check sum at a place so that all words together give zero."""
    words = (int.from_bytes(content[i : i + 4], "big") for i in range(0, len(content), 4))
    return content[:at] + (-sum(words) % (1 << 32)).to_bytes(4, "big") + content[at + 4 :]


def header(following: int, kind: int, special: int, name: bytes, body: bytes = b"") -> bytes:
    name = name.ljust(len(name) // 16 * 16 + 16, b"\0")
    numbers = (following | kind, special, len(body), 0)
    head = b"".join(each.to_bytes(4, "big") for each in numbers) + name
    return summed(head, 12) + body + bytes(-len(body) % 16)


def volume(*entries: tuple[int, int, bytes, bytes]) -> bytes:
    """Make an image of entries in the root: kind, special number, name, content."""
    made, at = b"", 32
    for number, (kind, special, name, body) in enumerate(entries, 1):
        one = header(0, kind, special, name, body)
        following = at + len(one) if number < len(entries) else 0
        made += header(following, kind, special, name, body)
        at += len(one)
    head = MAGIC + (32 + len(made)).to_bytes(4, "big") + bytes(4) + b"by hand".ljust(16, b"\0")
    first = (head + made)[:512]
    return summed(first.ljust(-(-len(first) // 4) * 4, b"\0"), 12)[:16] + (head + made)[16:]


def tree(image: bytes) -> Tree:
    return Tree(READER.nodes(Bytes(image), Budget(Limits(seconds=10, file_bytes=1_000_000))))


def test_every_kind() -> None:
    found = tree(
        volume(
            (FILE, 0, b"file", b"content"),
            (FILE | 8, 0, b"program", b"\x7fELF"),
            (LINK, 0, b"link", b"/etc/passwd"),
            (CHARACTER, 5 << 16 | 1, b"console", b""),
            (SOCKET, 0, b"socket", b""),
            (FOLDER, 0, b"none", b""),
        )
    )
    assert found.read("file") == b"content"
    assert [
        (node.path, node.kind, node.mode, node.target, node.device) for node in found.walk()
    ] == [
        ("", Kind.FOLDER, 0o755, "", None),
        ("console", Kind.CHARACTER, 0o600, "", (5, 1)),
        ("file", Kind.FILE, 0o644, "", None),
        ("link", Kind.LINK, 0o777, "/etc/passwd", None),
        ("none", Kind.FOLDER, 0o644, "", None),
        ("program", Kind.FILE, 0o755, "", None),
        ("socket", Kind.SOCKET, 0o644, "", None),
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ((FOLDER, 32, b"self", b""), "inside itself"),
        ((0, 32, b"link to itself", b""), "hard link"),
        ((0, 9999, b"link to nowhere", b""), "ends early"),
        ((FILE, 0, b"a/b", b""), "cannot be one"),
    ],
)
def test_nonsense_is_an_error(entry: tuple[int, int, bytes, bytes], reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        tree(volume(entry))


def test_circle_of_names_is_an_error() -> None:
    image = volume((FILE, 0, b"a", b""), (FILE, 0, b"b", b""))
    circle = image[:64] + header(32, FILE, 0, b"b")
    with pytest.raises(FormatError, match="circles"):
        tree(circle)


def test_wrong_check_sum_of_a_name_is_an_error() -> None:
    image = bytearray(
        volume((FILE, 0, b"a", b""), (FILE, 0, b"b", b"x" * 600), (FILE, 0, b"c", b""))
    )
    image[-16:-15] = b"d"  # the name of the last
    with pytest.raises(FormatError, match="check sum"):
        tree(bytes(image))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_never_raises_another_error(data: st.DataObject) -> None:
    image = bytearray(
        volume(
            (FILE, 0, b"file", os.urandom(20)),
            (LINK, 0, b"link", b"target"),
            (FOLDER, 32, b"folder", b""),
            (0, 32, b"hard", b""),
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        image[data.draw(st.integers(16, len(image) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        image[8:12] = (32).to_bytes(4, "big")  # so that the sum covers the first words only
        image[:32] = summed(bytes(image[:32]), 12)
    cut = bytes(image[: data.draw(st.integers(0, 2 * len(image)))])
    READER.measure(Bytes(cut))
    try:
        for node in tree(cut).files():
            assert node.read is not None
            node.read()
    except (FormatError, LimitError):
        return


def test_noise_is_no_romfs() -> None:
    chance = CHANCE(5)
    for _ in range(500):
        assert READER.measure(Bytes(MAGIC + chance.randbytes(600))) is None
