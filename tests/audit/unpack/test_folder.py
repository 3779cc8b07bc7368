"""A folder of this machine is read as it is, and nothing but it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.folder import as_root, nodes_of, open_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rootfs"
    (folder / "etc/deep/deeper").mkdir(parents=True)
    (folder / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (folder / "etc/setuid").write_bytes(b"x")
    (folder / "etc/setuid").chmod(0o4755)
    (folder / "etc/out").symlink_to("/etc/hostname")
    (folder / "etc/up").symlink_to("../../../../../../../../etc")
    (folder / "etc/deep/deeper/loop").symlink_to("../..")
    os.mkfifo(folder / "pipe")
    return folder


def read(folder: Path) -> Tree:
    closed: list[str] = []
    tree = Tree(nodes_of(folder, Budget(Limits()), closed))
    assert closed == []
    return tree


def test_everything_is_there_once(folder: Path) -> None:
    tree = read(folder)
    by_path = {node.path: node for node in tree.walk()}
    assert set(by_path) == {
        "", "etc", "etc/deep", "etc/deep/deeper", "etc/deep/deeper/loop", "etc/out", "etc/passwd",
        "etc/setuid", "etc/up", "pipe",
    }  # fmt: skip
    assert by_path["etc/setuid"].mode == 0o4755
    assert by_path["etc/out"].target == "/etc/hostname"
    assert by_path["pipe"].kind is Kind.PIPE
    assert by_path["pipe"].read is None
    assert tree.read("etc/passwd") == b"root:x:0:0::/:/bin/sh\n"
    assert tree.resolve("etc/out") is None
    assert tree.resolve("etc/up/passwd") == by_path["etc/passwd"]  # chroot semantics


def test_a_file_that_becomes_a_link_is_not_followed(folder: Path) -> None:
    tree = read(folder)
    (folder / "etc/passwd").unlink()
    (folder / "etc/passwd").symlink_to("/etc/hostname")
    with pytest.raises(FormatError, match="cannot be read"):
        tree.read("etc/passwd")
    (folder / "etc/setuid").unlink()
    os.mkfifo(folder / "etc/setuid")
    with pytest.raises(FormatError):
        tree.read("etc/setuid")


def test_what_somebody_unpacked_belongs_to_root(folder: Path) -> None:
    nodes = nodes_of(folder, Budget(Limits()), [])
    theirs = [replace(node, uid=1000, gid=1000) for node in nodes]
    assert as_root(theirs) == ([replace(node, uid=0, gid=0) for node in nodes], False)
    mixed = [theirs[0], *(replace(node, uid=0) for node in theirs[1:])]
    assert as_root(mixed) == (mixed, True)
    own = [replace(node, uid=0) for node in theirs]
    assert as_root(own) == (own, True)


def test_names_are_counted(folder: Path) -> None:
    with pytest.raises(LimitError, match="files"):
        open_folder(folder, Budget(Limits(files=5)), [])


def test_a_closed_folder_is_told(as_nobody: Path) -> None:
    (as_nobody / "etc/deep").mkdir(parents=True)
    (as_nobody / "etc/deep").chmod(0)
    closed: list[str] = []
    open_folder(as_nobody, Budget(Limits()), closed)
    assert closed == ["etc/deep"]


def test_very_long_paths_do_no_harm(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    closed: list[str] = []
    found = open_folder(tmp_path, Budget(Limits()), closed)
    assert len(closed) == 1
    assert len(found.nodes) > 10
